"""How an environment is made: registered ids, ids of plug-ins, wrappers."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from typing import Any

import gymnasium

from .failure import HostError, import_hint
from .settings import Settings, Wrapper

_PLUG_INS = "gymnasium.envs"
"""The group of entry points by which installed packages offer their ids; Gymnasium itself stopped reading it with 1.0."""


def make(settings: Settings) -> gymnasium.Env[Any, Any]:
    """One environment with its wrappers around it."""
    environment = make_registered(settings.id, settings.kwargs)
    for wrapper in settings.wrappers:
        environment = _wrap(environment, wrapper)
    return environment


def make_registered(id: str, kwargs: dict[str, Any]) -> gymnasium.Env[Any, Any]:
    """``gymnasium.make``, with a word about what to do where it fails."""
    try:
        _register(id)
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


def _register(id: str) -> None:
    """Lets the plug-in register its ids that is called as the id's namespace, if it has not: ``MinAtar`` of
    ``MinAtar/Breakout-v1``."""
    namespace, slash, _ = id.partition("/")
    if not slash or any(spec.namespace == namespace for spec in gymnasium.registry.values()):
        return
    for plug_in in metadata.entry_points(group=_PLUG_INS, name=namespace):
        plug_in.load()()


def _wrap(environment: gymnasium.Env[Any, Any], wrapper: Wrapper) -> gymnasium.Env[Any, Any]:
    name = f"the wrapper `{wrapper.class_name}`"
    module, _, path = wrapper.class_name.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise HostError(f"{name} does not import", import_hint("environment.wrappers")) from error
    try:
        wrapped = found(environment, **wrapper.kwargs)
    except Exception as error:
        raise HostError(f"{name} cannot be put around it", "check its kwargs in environment.wrappers") from error
    if not isinstance(wrapped, gymnasium.Env):
        raise HostError(f"{name} gave {type(wrapped).__name__}", "expected a gymnasium.Env")
    return wrapped
