"""The settings that an actor sends when it starts a host."""

from __future__ import annotations

from dataclasses import dataclass
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
class Settings:
    """Which environments to run, and how many of them."""

    id: str
    count: int
    kwargs: dict[str, Any]
    imports: list[str]
    atari: AtariSettings

    @classmethod
    def from_message(cls, message: dict[str, Any]) -> Settings:
        """The settings in the actor's first line."""
        return cls(
            id=message["id"],
            count=message["count"],
            kwargs=message["kwargs"],
            imports=message["imports"],
            atari=AtariSettings(**message["atari"]),
        )
