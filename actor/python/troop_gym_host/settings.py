"""The settings that an actor sends when it starts a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class AtariSettings:
    """Preprocessing of ``ALE/…`` ids; the keys are those of ``[environment.atari]``."""

    frame_skip: int = 4
    stack: int = 4
    screen_size: int = 84
    noop_max: int = 30
    terminal_on_life_loss: bool = False
    repeat_action_probability: float = 0.0
    full_action_space: bool = False
    max_episode_frames: int = 108_000


@dataclass(frozen=True)
class Wrapper:
    """A class that wraps an environment."""

    class_name: str
    """``module:Class``."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Its arguments behind the environment."""


@dataclass(frozen=True)
class Settings:
    """Which environments to run, and how many of them."""

    id: str
    count: int
    kwargs: dict[str, Any]
    imports: list[str]
    atari: AtariSettings
    wrappers: tuple[Wrapper, ...] = ()
    """What is put around each environment, the innermost first."""

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Settings:
        """The settings in the actor's first line."""
        return cls(
            id=message["id"],
            count=message["count"],
            kwargs=message["kwargs"],
            imports=message["imports"],
            atari=AtariSettings(**message["atari"]),
            wrappers=tuple(Wrapper(one["class"], one.get("kwargs", {})) for one in message["wrappers"]),
        )
