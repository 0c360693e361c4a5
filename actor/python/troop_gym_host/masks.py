"""Which choices the environments leave open.

An environment says so in ``info["action_mask"]``, with ``reset`` and with each ``step``: true (or 1) where a choice is
open. For several choices at once it is a tuple of such masks, as ``MultiDiscrete.sample`` takes them, or all of them in
a row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .failure import HostError
from .shared_arrays import SharedArrays

KEY = "action_mask"
"""Where in ``info`` a mask is."""


class ActionMasks:
    """Writes the masks of several environments into shared memory.

    Whether there are masks is decided by the first reset. After that, an ``info`` without one leaves everything open.
    """

    def __init__(self, choices: tuple[int, ...]) -> None:
        self._choices = choices
        self._length = sum(choices)
        self._starts = np.cumsum((0, *choices))[:-1]
        self._decided = False

    def attach(self, arrays: SharedArrays) -> None:
        """Says where to write."""
        self._arrays = arrays

    def after_reset(self, infos: list[dict[str, Any]]) -> None:
        """All environments began new episodes."""
        given = any(KEY in info for info in infos)
        if not self._decided:
            self._arrays.masked[0] = given
            self._decided = True
        for index, info in enumerate(infos):
            self.write(index, info)

    def write(self, index: int, info: dict[str, Any]) -> None:
        """The mask of what environment ``index`` shows now."""
        mask = self._mask(info)
        if mask is None:
            return
        if not self._every_component_is_open(mask):
            raise HostError(f"info[{KEY!r}] leaves nothing open: {mask.tolist()}", "expected a choice to take")
        self._arrays.masks[index] = mask

    def write_final(self, index: int, info: dict[str, Any]) -> None:
        """The mask of the last observation of an episode. Nothing is done there, so all may be closed."""
        mask = self._mask(info)
        if mask is not None:
            self._arrays.final_masks[index] = mask if self._every_component_is_open(mask) else True

    def _mask(self, info: dict[str, Any]) -> NDArray[np.bool_] | None:
        mask = info.get(KEY)
        if not self._arrays.masked[0]:
            if mask is None:
                return None
            raise HostError(f"there is an info[{KEY!r}] now, but there was none after the first reset", "give it always")
        if mask is None:
            return np.ones(self._length, np.bool_)
        if isinstance(mask, (tuple, list)) and len(self._choices) > 1 and len(mask) == len(self._choices):
            lengths = tuple(np.size(part) for part in mask)
            if lengths == self._choices:
                return np.concatenate([np.asarray(part).reshape(-1) for part in mask]).astype(np.bool_)
        flat = np.asarray(mask).reshape(-1) if not isinstance(mask, (tuple, list)) else np.hstack(mask).reshape(-1)
        if flat.size != self._length or not self._length:
            expected = " + ".join(map(str, self._choices)) or "none: a Box action has no choices"
            raise HostError(f"info[{KEY!r}] has {flat.size} elements", f"expected {expected}")
        return flat.astype(np.bool_)

    def _every_component_is_open(self, mask: NDArray[np.bool_]) -> bool:
        return bool(np.logical_or.reduceat(mask, self._starts).all())
