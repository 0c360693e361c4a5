"""Several environments stepped together by one process."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
import warnings
from typing import Any, Protocol

import gymnasium
import numpy as np

from .failure import HostError, import_hint
from .masks import ActionMasks
from .registry import make
from .seeding import seed_of
from .settings import Settings
from .shared_arrays import SharedArrays
from .spaces import ActionCodec, ObservationCodec, PixelObservation, action_codec, observation_codec
from .values import EXPECTED_FINITE, find_not_finite, reset_result, reward_of, step_result, unpacking


class Vector(Protocol):
    """Several environments of one kind, with Gymnasium's same-step autoreset.

    An environment whose episode ends with a step is reset within that step: its last observation is left in
    ``final_observations``, the first one of the new episode in ``observations``.
    """

    observation: ObservationCodec
    action: ActionCodec
    frame_skip: int

    def attach(self, arrays: SharedArrays) -> None:
        """Says where to read actions and leave everything else."""

    def reset(self, seed: int) -> None:
        """Starts a new episode everywhere, seeded. Later automatic resets go on from there."""

    def step(self) -> None:
        """Takes the actions in shared memory."""

    def close(self) -> None:
        """Ends the environments."""


class GymnasiumVector:
    """Any registered id: environments of ``gymnasium.make``, stepped one after the other."""

    frame_skip = 1

    def __init__(self, settings: Settings) -> None:
        self._environments = [make(settings) for _ in range(settings.count)]
        self.observation = observation_codec(self._environments[0].observation_space)
        self.action = action_codec(self._environments[0].action_space)
        self._masks = ActionMasks(self.action.choices)
        self._steps = 0
        self._at = 0
        self._hint = ByteHint(self.observation)
        warn_of_raw_frames(settings.id, self._environments[0])

    def attach(self, arrays: SharedArrays) -> None:
        """Says where to read actions and leave everything else."""
        self._arrays = arrays
        self._masks.attach(arrays)

    def reset(self, seed: int) -> None:
        """Starts a new episode everywhere, each environment seeded by :func:`seed_of`."""
        try:
            self._reset_all(seed)
        except HostError as error:
            raise error.at(f"at a reset, environment {self._at}") from error.__cause__

    def _reset_all(self, seed: int) -> None:
        infos = []
        for index, environment in enumerate(self._environments):
            self._at = index
            observation, info = _reset(environment, seed=seed_of(seed, index))
            self.observation.write(self._arrays.observations[index], observation)
            self._hint.look(observation)
            infos.append(info)
        self._masks.after_reset(infos)
        self._check_finite()

    def step(self) -> None:
        """Takes the actions in shared memory."""
        self._steps += 1
        try:
            self._step_all()
        except HostError as error:
            raise error.at(f"step {self._steps}, environment {self._at}") from error.__cause__

    def _step_all(self) -> None:
        arrays, write, masks = self._arrays, self.observation.write, self._masks
        actions = self.action.read(arrays.actions)
        for index, (environment, action) in enumerate(zip(self._environments, actions)):
            self._at = index
            observation, reward, terminated, truncated, info = _step(environment, action)
            arrays.rewards[index] = reward_of(reward)
            arrays.terminated[index] = terminated
            arrays.truncated[index] = truncated
            if terminated or truncated:
                write(arrays.final_observations[index], observation)
                if not np.isfinite(arrays.final_observations[index]).all():
                    _, found = find_not_finite(arrays.final_observations[index : index + 1])
                    raise HostError(f"the final observation is {found}", EXPECTED_FINITE)
                masks.write_final(index, info)
                observation, info = _reset(environment)
                self._hint.look(observation)
            write(arrays.observations[index], observation)
            masks.write(index, info)
        self._check_finite()

    def _check_finite(self) -> None:
        """Nothing that is not finite leaves the host: one such value would spoil all that is computed from it."""
        arrays = self._arrays
        for name, values in (("observation", arrays.observations), ("reward", arrays.rewards)):
            if not np.isfinite(values).all():
                self._at, found = find_not_finite(values)
                raise HostError(f"the {name} is {found}", EXPECTED_FINITE)

    def close(self) -> None:
        """Ends the environments; one that fails to does not keep the others."""
        for environment in self._environments:
            with contextlib.suppress(Exception):
                environment.close()


class ByteHint:
    """Says so if an image's bytes look like small numbers, which are no brightness to be divided by 255."""

    _LOOKS = 20
    _LARGEST_OF_NUMBERS = 32

    def __init__(self, codec: ObservationCodec) -> None:
        self._left = self._LOOKS if type(codec) is PixelObservation else 0
        self._largest = 0

    def look(self, observation: Any) -> None:
        """Looks at the first observation of an episode."""
        if not self._left:
            return
        self._left -= 1
        self._largest = max(self._largest, int(np.max(observation)))
        if not self._left and self._largest <= self._LARGEST_OF_NUMBERS:
            warnings.warn(
                f"no byte of an image was above {self._largest} at the start of {self._LOOKS} episodes: if they are numbers"
                " and no brightness, set model.scale_bytes = false, else they are divided by 255",
                stacklevel=1,
            )


def warn_of_raw_frames(id: str, environment: gymnasium.Env[Any, Any]) -> None:
    """Atari's frames are preprocessed for ``ALE/`` ids alone."""
    if not type(environment.unwrapped).__module__.startswith("ale_py"):
        return
    game = re.sub(r"(NoFrameskip|Deterministic)?-v\d+$", "", id.rsplit("/", maxsplit=1)[-1])
    warnings.warn(
        f"`{id}` shows raw frames, and environment.atari is not used: its preprocessing is for ids like `ALE/{game}-v5`",
        stacklevel=1,
    )


def _reset(environment: gymnasium.Env[Any, Any], **seed: int) -> tuple[Any, dict[str, Any]]:
    try:
        result = environment.reset(**seed)
    except Exception as error:
        raise unpacking(error) or error
    return reset_result(result)


def _step(environment: gymnasium.Env[Any, Any], action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
    try:
        result = environment.step(action)
    except Exception as error:
        raise unpacking(error) or error
    return step_result(result)


def import_modules(modules: list[str]) -> None:
    """Imports what registers further ids: modules by name, or ``.py`` files by path.

    The current directory is searched last, so that nothing there stands in for a library.
    """
    os.environ.pop("PYTHONSAFEPATH", None)  # for the host alone, and not for what an environment starts
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for module in modules:
        name = module
        if module.endswith(".py"):
            directory, file = os.path.split(os.path.abspath(module))
            sys.path.insert(0, directory)
            name = file[: -len(".py")]
        try:
            importlib.import_module(name)
        except BaseException as error:
            raise HostError(f"cannot import `{module}`", import_hint("environment.imports")) from error


def make_vector(settings: Settings) -> Vector:
    """The environments that the actor asked for."""
    import_modules(settings.imports)
    if settings.id.startswith("ALE/"):
        from .atari import AtariVector

        return AtariVector(settings)
    return GymnasiumVector(settings)
