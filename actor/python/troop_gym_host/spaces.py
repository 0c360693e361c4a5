"""From Gymnasium's spaces to what Troop's models take, and back.

=======================================  ==========================================================================
Gymnasium observation                    what Troop sees
=======================================  ==========================================================================
``Box`` uint8 with three axes            bytes ``[C, H, W]``; channels that come last are moved first
``Box`` bool with three axes             the same, 255 where it is true: 1 once bytes are scaled
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
import warnings
from typing import Any, Protocol

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import DTypeLike, NDArray

from .failure import HostError
from .values import Observed, kind


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
        self._observed = Observed(space.shape, space.dtype)
        first, second, third = space.shape
        # Gymnasium's images end with their channels; what plainly begins with them is left alone.
        self._move = first >= third if channels_first is None else not channels_first
        self.shape: tuple[int, ...] = (third, first, second) if self._move else space.shape

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one image, channels first."""
        image = self._observed.check(observation)
        target[...] = np.moveaxis(image, 2, 0) if self._move else image

    def describe(self) -> dict[str, Any]:
        """``[C, H, W]`` bytes."""
        return {"shape": list(self.shape), "element": "u8"}


class TruthObservation(PixelObservation):
    """Truth values with three axes, as black and white."""

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one image, channels first: 255 where it is true."""
        super().write(target, observation)
        np.multiply(target != 0, np.uint8(255), out=target)


class Floats:
    """One axis of 32-bit floats."""

    dtype: DTypeLike = np.float32

    def __init__(self, length: int) -> None:
        self.shape: tuple[int, ...] = (length,)

    def describe(self) -> dict[str, Any]:
        """``[D]`` floats."""
        return {"shape": list(self.shape), "element": "f32"}


class FloatObservation(Floats):
    """Numbers, flattened to one axis."""

    def __init__(self, space: spaces.Box) -> None:
        super().__init__(int(np.prod(space.shape)))
        self._observed = Observed(space.shape, space.dtype)

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one observation as floats."""
        target[...] = self._observed.check(observation).reshape(-1)


class OneHotObservation(Floats):
    """A choice among ``n``."""

    def __init__(self, space: spaces.Discrete) -> None:
        super().__init__(int(space.n))
        self._observed = Observed((), space.dtype)
        self._start = int(space.start)

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes 1 at the choice, 0 elsewhere."""
        choice = int(self._observed.check(observation)) - self._start
        if not 0 <= choice < len(target):
            last = self._start + len(target) - 1
            raise HostError(f"the observation is {kind(observation)}", f"expected {self._start} to {last}")
        target.fill(0)
        target[choice] = 1


class FlattenedObservation(Floats):
    """Whatever Gymnasium can flatten."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(spaces.flatdim(space))
        self._space = space

    def write(self, target: NDArray[Any], observation: Any) -> None:
        """Writes one observation as ``gymnasium.spaces.flatten`` lays it out."""
        if not self._space.contains(observation):
            self._refuse(observation)
        target[...] = spaces.flatten(self._space, observation)

    def _refuse(self, observation: Any) -> None:
        """Refuses an observation unless it differs from the space in nothing but its values' type and bounds."""
        refused = unlike(self._space, observation, "")
        if refused is not None:
            part, found, expected = refused
            raise HostError(f"the observation{part} is {found}", f"expected one of {expected}")


class DiscreteAction:
    """A choice among ``n``."""

    shape: tuple[int, ...] = ()
    dtype: DTypeLike = np.int64

    def __init__(self, space: spaces.Discrete) -> None:
        self.choices = (int(space.n),)
        self._start = int(space.start)

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All choices, counted from the space's own start, as NumPy's integers: what ``sample`` gives."""
        return list(actions + self._start)

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
        self._integers = np.issubdtype(space.dtype, np.integer)
        # Clipped as what the space holds: a 32-bit 0.1 is above a 64-bit bound of 0.1.
        self._type = np.dtype(np.float64) if self._integers else space.dtype
        self._low, self._high = _inner_bounds(space, self._type)
        self.shape: tuple[int, ...] = self._low.shape

    def read(self, actions: NDArray[Any]) -> list[Any]:
        """All actions within the bounds, in the space's own shape and type."""
        given = actions.astype(self._type)
        clipped = np.clip(np.rint(given) if self._integers else given, self._low, self._high)
        return list(clipped.astype(self._space.dtype).reshape(-1, *self._space.shape))

    def describe(self) -> dict[str, Any]:
        """The bounds, flattened; JSON has no infinity, so an absent bound is null."""
        bounds = (bound.astype(np.float32) for bound in (self._low, self._high))
        low, high = ([x if math.isfinite(x) else None for x in bound.tolist()] for bound in bounds)
        return {"kind": "box", "low": low, "high": high}


def _inner_bounds(space: spaces.Box, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The bounds as ``dtype``, moved inwards where it has only a number beyond them: 2**63 for 2**63 − 1."""
    low, high = (bound.reshape(-1).astype(dtype) for bound in (space.low, space.high))
    if np.issubdtype(space.dtype, np.integer):
        beyond = [int(value) > int(bound) for value, bound in zip(high, space.high.reshape(-1))]
        high = np.where(beyond, np.nextafter(high, -np.inf), high)
        beyond = [int(value) < int(bound) for value, bound in zip(low, space.low.reshape(-1))]
        low = np.where(beyond, np.nextafter(low, np.inf), low)
    return low, high


def unlike(space: spaces.Space[Any], value: Any, part: str) -> tuple[str, str, spaces.Space[Any]] | None:
    """The first part of an observation that has another shape or kind than its space says: its place, what it is, and
    its space. Values beyond the bounds of a ``Box``, and numbers of another type that hold the same, are let pass."""
    if isinstance(space, spaces.Dict):
        if not isinstance(value, dict) or value.keys() != space.spaces.keys():
            return part, kind(value), space
        parts = ((name, inner, value[name]) for name, inner in space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        if not isinstance(value, (tuple, list)) or len(value) != len(space.spaces):
            return part, kind(value), space
        parts = ((index, inner, value[index]) for index, inner in enumerate(space.spaces))
    elif isinstance(space, spaces.Box):
        try:
            Observed(space.shape, space.dtype).check(value)
        except HostError:
            return part, kind(value), space
        return None
    else:
        return None if space.contains(value) else (part, kind(value), space)
    found = (unlike(inner, given, f"{part}[{name!r}]") for name, inner, given in parts)
    return next((refused for refused in found if refused is not None), None)


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
        if space.dtype == np.bool_ and len(space.shape) == 3:
            return TruthObservation(space)
        if space.dtype == np.uint8 and len(space.shape) == 2:
            warnings.warn(
                f"observations are uint8 of shape {space.shape}: they are taken as {int(np.prod(space.shape))} numbers from"
                " 0 to 255, unscaled; if they are images, add an axis of channels, e.g. by gymnasium.wrappers",
                stacklevel=1,
            )
        return FloatObservation(space)
    if isinstance(space, spaces.Discrete):
        return OneHotObservation(space)
    part, unsupported = _unsupported(space, "")
    if unsupported is None:
        return FlattenedObservation(space)
    where = f"{unsupported}, which is `{part}` of {space}" if part else str(space)
    raise HostError(
        f"no model can take the observation space {where}",
        "expected Box, Discrete, MultiBinary, MultiDiscrete, or a Dict or Tuple of these; "
        "wrap the environment in one that shows such a space",
    )


def _unsupported(space: gymnasium.Space[Any], part: str) -> tuple[str, gymnasium.Space[Any] | None]:
    """The first space within that cannot be flattened, and its place; none if there is none."""
    inner: list[tuple[Any, gymnasium.Space[Any]]] = []
    if isinstance(space, spaces.Dict):
        inner = list(space.spaces.items())
    elif isinstance(space, spaces.Tuple):
        inner = list(enumerate(space.spaces))
    elif not _can_be_flattened(space):
        return part, space
    for name, of_it in inner:
        found = _unsupported(of_it, f"{part}[{name!r}]")
        if found[1] is not None:
            return found
    return part, None


def _can_be_flattened(space: gymnasium.Space[Any]) -> bool:
    try:
        return space.is_np_flattenable and spaces.flatdim(space) >= 0
    except (NotImplementedError, ValueError):
        return False


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
