"""Several environments stepped together by one process."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, Protocol

import gymnasium

from .failure import HostError, import_hint
from .masks import ActionMasks
from .seeding import seed_of
from .settings import Settings
from .shared_arrays import SharedArrays
from .spaces import ActionCodec, ObservationCodec, action_codec, observation_codec


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
        self._environments = [make(settings.id, settings.kwargs) for _ in range(settings.count)]
        self.observation = observation_codec(self._environments[0].observation_space)
        self.action = action_codec(self._environments[0].action_space)
        self._masks = ActionMasks(self.action.choices)

    def attach(self, arrays: SharedArrays) -> None:
        """Says where to read actions and leave everything else."""
        self._arrays = arrays
        self._masks.attach(arrays)

    def reset(self, seed: int) -> None:
        """Starts a new episode everywhere, each environment seeded by :func:`seed_of`."""
        infos = []
        for index, environment in enumerate(self._environments):
            observation, info = environment.reset(seed=seed_of(seed, index))
            self.observation.write(self._arrays.observations[index], observation)
            infos.append(info)
        self._masks.after_reset(infos)

    def step(self) -> None:
        """Takes the actions in shared memory."""
        arrays, write, masks = self._arrays, self.observation.write, self._masks
        actions = self.action.read(arrays.actions)
        for index, (environment, action) in enumerate(zip(self._environments, actions)):
            observation, reward, terminated, truncated, info = environment.step(action)
            arrays.rewards[index] = reward
            arrays.terminated[index] = terminated
            arrays.truncated[index] = truncated
            if terminated or truncated:
                write(arrays.final_observations[index], observation)
                masks.write_final(index, info)
                observation, info = environment.reset()
            write(arrays.observations[index], observation)
            masks.write(index, info)

    def close(self) -> None:
        """Ends the environments; one that fails to does not keep the others."""
        for environment in self._environments:
            with contextlib.suppress(Exception):
                environment.close()


def make(id: str, kwargs: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """``gymnasium.make``, with a word about what to do where it fails."""
    try:
        return gymnasium.make(id, **kwargs)
    except gymnasium.error.UnregisteredEnv as error:
        hint = "set environment.id to a registered id, or add the module that registers it to environment.imports"
        raise HostError("there is no such environment", hint) from error
    except gymnasium.error.DependencyNotInstalled as error:
        raise HostError("it needs more packages", f"install them for {sys.executable}") from error
    except ImportError as error:
        raise HostError("it does not import", import_hint("environment.imports")) from error
    except Exception as error:
        raise HostError("it cannot be made", "check environment.id and environment.kwargs") from error


def import_modules(modules: list[str]) -> None:
    """Imports what registers further ids: modules by name, or ``.py`` files by path."""
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
