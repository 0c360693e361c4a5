"""The arrays that an actor and its host share."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .spaces import ActionCodec, ObservationCodec


@dataclass(frozen=True)
class ArraySpec:
    """The shape and type of one shared array."""

    shape: tuple[int, ...]
    dtype: DTypeLike

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


def specify(count: int, observation: ObservationCodec, action: ActionCodec) -> dict[str, ArraySpec]:
    """The arrays that ``count`` environments need."""
    observations = ArraySpec((count, *observation.shape), observation.dtype)
    masks = ArraySpec((count, sum(action.choices)), np.uint8)
    return {
        "observations": observations,
        "final_observations": observations,
        "rewards": ArraySpec((count,), np.float32),
        "terminated": ArraySpec((count,), np.uint8),
        "truncated": ArraySpec((count,), np.uint8),
        "actions": ArraySpec((count, *action.shape), action.dtype),
        "masks": masks,
        "final_masks": masks,
        "masked": ArraySpec((1,), np.uint8),
    }


class SharedArrays:
    """NumPy views of the shared-memory file; ``E`` environments come first in each."""

    observations: NDArray[Any]
    """``[E, …]``: what to act on next."""
    final_observations: NDArray[Any]
    """``[E, …]``: the last observation of an episode that the last step ended."""
    rewards: NDArray[np.float32]
    """``[E]``: of the last step."""
    terminated: NDArray[np.uint8]
    """``[E]``: 1 where the last step reached a terminal state, 2 where it did so for learning alone."""
    truncated: NDArray[np.uint8]
    """``[E]``: 1 where the last step cut the episode short."""
    actions: NDArray[Any]
    """``[E]``, ``[E, K]`` or ``[E, D]``: what the actor wants done."""
    masks: NDArray[np.uint8]
    """``[E, M]``: 1 where ``observations`` leave a choice open, component after component."""
    final_masks: NDArray[np.uint8]
    """``[E, M]``: the same for ``final_observations``."""
    masked: NDArray[np.uint8]
    """``[1]``: whether the environments give masks; if not, the two above mean nothing."""

    def __init__(self, memory: mmap.mmap | bytearray, specs: dict[str, ArraySpec], offsets: dict[str, int]) -> None:
        for name, spec in specs.items():
            array = np.ndarray(spec.shape, spec.dtype, buffer=memory, offset=offsets[name])
            setattr(self, name, array)

    @classmethod
    def map(cls, path: str, specs: dict[str, ArraySpec], offsets: dict[str, int]) -> SharedArrays:
        """Maps the file that the actor made."""
        with open(path, "r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0), specs, offsets)

    @classmethod
    def private(cls, specs: dict[str, ArraySpec]) -> SharedArrays:
        """The same arrays in memory of this process's own, for tests and for measuring."""
        offsets, end = {}, 0
        for name, spec in specs.items():
            offsets[name] = end
            end += -(-spec.bytes // 64) * 64
        return cls(bytearray(end), specs, offsets)
