"""What an environment gave, checked: another shape or type than its spaces say would train silently on other numbers.

What is as it should be passes by a comparison or two; only the rest is looked at more closely.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from .failure import HostError

_NUMBERS = "biuf"
"""NumPy's kinds of real numbers: booleans, integers, unsigned ones, floats."""

_OLD_API = "this is the API of Gym before 0.26; wrap the environment in one that speaks Gymnasium's, e.g. with shimmy"


class Observed:
    """Observations of one shape and type."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._shape = shape
        self._dtype = np.dtype(dtype)

    def check(self, observation: Any) -> NDArray[Any]:
        """The observation as an array of the space's shape whose values a conversion to its type keeps."""
        if type(observation) is np.ndarray and observation.dtype == self._dtype and observation.shape == self._shape:
            return observation
        array = _array(observation)
        if array is None or array.dtype.kind not in _NUMBERS:
            raise HostError(f"the observation is {kind(observation)}", f"expected {self._expected()}")
        if array.shape != self._shape:
            raise HostError(f"the observation has shape {array.shape}", f"expected {self._expected()}")
        if self._dtype.kind in "iu" and not _fits(array, self._dtype):
            wrong = f"the observation has {array.dtype} values that {self._dtype} cannot hold, from {array.min()} to {array.max()}"
            raise HostError(wrong, f"expected {self._expected()}, as the observation space says")
        return array

    def _expected(self) -> str:
        return f"{self._dtype} of shape {self._shape}"


def reward_of(reward: Any) -> float:
    """The reward as a number."""
    if type(reward) is float:
        return reward
    array = _array(reward)
    if array is None or array.dtype.kind not in _NUMBERS or array.size != 1:
        raise HostError(f"the reward is {kind(reward)}", "expected one number")
    return float(array.reshape(-1)[0])


def step_result(result: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
    """The five values of a step."""
    if not isinstance(result, tuple) or len(result) != 5:
        found = f"{len(result)} values" if isinstance(result, tuple) else kind(result)
        hint = "expected (observation, reward, terminated, truncated, info)"
        is_old = isinstance(result, tuple) and len(result) == 4
        raise HostError(f"step() returned {found}", f"{hint}; {_OLD_API}" if is_old else hint)
    observation, reward, terminated, truncated, info = result
    return observation, reward, _flag("terminated", terminated), _flag("truncated", truncated), _info("step", info)


def reset_result(result: Any) -> tuple[Any, dict[str, Any]]:
    """The two values of a reset."""
    if not isinstance(result, tuple) or len(result) != 2:
        found = f"{len(result)} values" if isinstance(result, tuple) else kind(result)
        raise HostError(f"reset() returned {found}", f"expected (observation, info); {_OLD_API}")
    observation, info = result
    return observation, _info("reset", info)


def unpacking(error: Exception) -> HostError | None:
    """What a wrapper means that could not unpack what the environment below it returned; none if it is something else."""
    text = str(error)
    if not isinstance(error, (ValueError, TypeError)) or "unpack" not in text:
        return None
    hint = "expected (observation, info) of reset() and (observation, reward, terminated, truncated, info) of step()"
    return HostError("the environment returned another number of values", f"{hint}; {_OLD_API}")


EXPECTED_FINITE = "expected finite numbers that 32-bit floats can hold"


def find_not_finite(values: NDArray[np.float32]) -> tuple[int, str]:
    """Which environment gave a value that is not finite, of which there is one in ``values`` ``[E, …]``, and which."""
    rows = values.reshape(len(values), -1)
    environment, place = (int(index) for index in np.argwhere(~np.isfinite(rows))[0])
    where = f" at {place}" if rows.shape[1] > 1 else ""
    return environment, f"{rows[environment, place]}{where}"


def kind(value: Any) -> str:
    """A value in short, and its type."""
    text = repr(value)
    short = text if len(text) <= 60 else f"{text[:60]}…"
    name = type(value).__name__
    dtype = f" of {value.dtype}" if isinstance(value, (np.ndarray, np.generic)) else ""
    return f"{short}, {name}{dtype}"


def _flag(name: str, flag: Any) -> bool:
    if isinstance(flag, (bool, np.bool_)):
        return bool(flag)
    array = _array(flag)
    if array is None or array.dtype.kind not in _NUMBERS or array.size != 1:
        raise HostError(f"`{name}` is {kind(flag)}", "expected true or false")
    return bool(array.reshape(-1)[0])


def _info(call: str, info: Any) -> dict[str, Any]:
    if not isinstance(info, dict):
        raise HostError(f"the info of {call}() is {kind(info)}", f"expected a dictionary; {_OLD_API}")
    return info


def _array(value: Any) -> NDArray[Any] | None:
    try:
        return np.asarray(value)
    except (TypeError, ValueError):  # lists of unequal length, say
        return None


def _fits(array: NDArray[Any], dtype: np.dtype[Any]) -> bool:
    """Whether a conversion to an integer type changes no value."""
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        return False
    limits = np.iinfo(dtype)
    return not array.size or (int(array.min()) >= limits.min and int(array.max()) <= limits.max)
