"""From Gymnasium's spaces to what Troop's models take, and back.

=======================================  ==========================================================================
Gymnasium observation                    what Troop sees
=======================================  ==========================================================================
``Box`` uint8 with three axes            bytes ``[C, H, W]``; channels that come last are moved first
other ``Box``                            floats ``[D]``, flattened row by row
``Discrete``                             floats ``[n]``, one-hot
``MultiBinary``, ``MultiDiscrete``       floats ``[D]``, flattened by Gymnasium (one-hot for each choice)
``Dict``, ``Tuple`` of these, ``Text``   floats ``[D]``, flattened by Gymnasium
=======================================  ==========================================================================

Actions are ``Discrete``, ``MultiDiscrete`` or ``MultiBinary`` (Troop counts from 0, ``start`` is added here), or ``Box``
(Troop's are clipped to the bounds here, and rounded where the space holds integers).
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import DTypeLike, NDArray

from .failure import HostError


class ObservationCodec(Protocol):
    """Writes observations of one space into shared memory."""

    shape: tuple[int, ...]
    dtype: DTypeLike

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one observation."""

    def describe(self) -> dict[str, Any]:
        """The space in Troop's words."""


class ActionCodec(Protocol):
    """Turns actions in shared memory into those of one space."""

    shape: tuple[int, ...]
    dtype: DTypeLike
    choices: tuple[int, ...]
    """How many each component of an action is chosen from; empty for real numbers."""

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All actions, one for each environment."""

    def describe(self) -> dict[str, Any]:
        """The space in Troop's words."""


class PixelObservation:
    """Bytes with three axes."""

    dtype: DTypeLike = np.uint8

    def __init__(self, space: spaces.Box, channels_first: bool | None = None) -> None:
        first, second, third = space.shape
        # Gymnasium's images end with their channels; what plainly begins with them is left alone.
        self._move = first >= third if channels_first is None else not channels_first
        self.shape: tuple[int, ...] = (third, first, second) if self._move else space.shape

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one image, channels first."""
        target[...] = np.moveaxis(observation, 2, 0) if self._move else observation

    def describe(self) -> dict[str, Any]:
        """``[C, H, W]`` bytes."""
        return {"shape": list(self.shape), "element": "u8"}


class FloatObservation:
    """Numbers, flattened to one axis of 32-bit floats."""

    dtype: DTypeLike = np.float32

    def __init__(self, length: int) -> None:
        self.shape: tuple[int, ...] = (length,)

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one observation as floats."""
        target[...] = np.asarray(observation).reshape(-1)

    def describe(self) -> dict[str, Any]:
        """``[D]`` floats."""
        return {"shape": list(self.shape), "element": "f32"}


class OneHotObservation(FloatObservation):
    """A choice among ``n``."""

    def __init__(self, space: spaces.Discrete) -> None:
        super().__init__(int(space.n))
        self._start = int(space.start)

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes 1 at the choice, 0 elsewhere."""
        target.fill(0)
        target[int(observation) - self._start] = 1


class FlattenedObservation(FloatObservation):
    """Whatever Gymnasium can flatten."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(spaces.flatdim(space))
        self._space = space

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one observation as ``gymnasium.spaces.flatten`` lays it out."""
        target[...] = spaces.flatten(self._space, observation)


class DiscreteAction:
    """A choice among ``n``."""

    shape: tuple[int, ...] = ()
    dtype: DTypeLike = np.int64

    def __init__(self, space: spaces.Discrete) -> None:
        self.choices = (int(space.n),)
        self._start = int(space.start)

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All choices, counted from the space's own start."""
        choices: list[Any] = actions.tolist()
        if self._start:
            return [self._start + choice for choice in choices]
        return choices

    def describe(self) -> dict[str, Any]:
        """``n`` choices."""
        return {"kind": "discrete", "n": self.choices[0]}


class MultiDiscreteAction:
    """Several choices at once."""

    dtype: DTypeLike = np.int64

    def __init__(self, space: spaces.MultiDiscrete | spaces.MultiBinary) -> None:
        self._space = space
        counts = space.nvec if isinstance(space, spaces.MultiDiscrete) else np.full(space.shape, 2)
        start = space.start if isinstance(space, spaces.MultiDiscrete) else np.zeros(space.shape)
        self._start = np.asarray(start).reshape(-1).astype(np.int64)
        self.choices = tuple(int(n) for n in np.asarray(counts).reshape(-1))
        self.shape: tuple[int, ...] = (len(self.choices),)

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All choices, counted from the space's own start, in the space's own shape and type."""
        return list((actions + self._start).astype(self._space.dtype).reshape(-1, *self._space.shape))

    def describe(self) -> dict[str, Any]:
        """``n`` choices of each component."""
        return {"kind": "multi_discrete", "n": list(self.choices)}


class BoxAction:
    """A vector of numbers."""

    dtype: DTypeLike = np.float32
    choices: tuple[int, ...] = ()

    def __init__(self, space: spaces.Box) -> None:
        self._space = space
        self._low = space.low.reshape(-1).astype(np.float32)
        self._high = space.high.reshape(-1).astype(np.float32)
        self._integers = np.issubdtype(space.dtype, np.integer)
        self.shape: tuple[int, ...] = self._low.shape

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All actions within the bounds, in the space's own shape and type."""
        clipped = np.clip(actions, self._low, self._high)
        if self._integers:
            clipped = np.rint(clipped)
        return list(clipped.astype(self._space.dtype).reshape(-1, *self._space.shape))

    def describe(self) -> dict[str, Any]:
        """The bounds, flattened; JSON has no infinity, so an absent bound is null."""
        low, high = ([x if math.isfinite(x) else None for x in bound.tolist()] for bound in (self._low, self._high))
        return {"kind": "box", "low": low, "high": high}


def observation_codec(space: gymnasium.Space[Any]) -> ObservationCodec:
    """The codec for an observation space; raises :class:`HostError` where there is none."""
    codec = _observation_codec(space)
    if 0 in codec.shape:
        raise HostError(f"the observation space {space} is empty", "expected at least one number to look at")
    return codec


def _observation_codec(space: gymnasium.Space[Any]) -> ObservationCodec:
    if isinstance(space, spaces.Box):
        if space.dtype == np.uint8 and len(space.shape) == 3:
            return PixelObservation(space)
        return FloatObservation(int(np.prod(space.shape)))
    if isinstance(space, spaces.Discrete):
        return OneHotObservation(space)
    if space.is_np_flattenable:
        return FlattenedObservation(space)
    raise HostError(
        f"no model can take the observation space {space}",
        "expected Box, Discrete, MultiBinary, MultiDiscrete, or a Dict or Tuple of these; "
        "wrap the environment in one that shows such a space",
    )


def action_codec(space: gymnasium.Space[Any]) -> ActionCodec:
    """The codec for an action space; raises :class:`HostError` where there is none."""
    if isinstance(space, spaces.Discrete):
        return DiscreteAction(space)
    if isinstance(space, (spaces.MultiDiscrete, spaces.MultiBinary)):
        return MultiDiscreteAction(space)
    if isinstance(space, spaces.Box) and 0 not in space.shape:
        return BoxAction(space)
    raise HostError(
        f"no method can act in the action space {space}",
        "expected Discrete, MultiDiscrete, MultiBinary or Box; wrap the environment in one that accepts such a space",
    )
