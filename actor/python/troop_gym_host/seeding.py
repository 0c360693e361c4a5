"""How one seed becomes one for each environment."""

from __future__ import annotations

import numpy as np


def seed_of(seed: int, index: int) -> int:
    """The 31-bit seed of environment ``index``, from the 64-bit ``seed`` of them all.

    Gymnasium's own vector environments take ``seed + index``: then neighbouring seeds of a run share all environments
    but one. A seed sequence keeps them apart. The highest of 32 bits is left out: many an environment keeps its seed as
    a signed number.
    """
    drawn = np.random.SeedSequence(entropy=seed, spawn_key=(index,)).generate_state(1, np.uint32)[0]
    return int(drawn) & 0x7FFF_FFFF
