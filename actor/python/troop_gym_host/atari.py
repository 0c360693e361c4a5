"""Atari 2600 games, with what Mnih et al. 2015 do to them up to the screen: no-ops, held actions, merged grey frames.

The actor makes the screens smaller and stacks them (``actor/src/environment/scaled_screens.rs``, ``frame_stack.rs``). What
an agent sees then equals, byte for byte, what it would see from Gymnasium's own wrappers::

    env = gymnasium.make("ALE/Pong-v5", frameskip=1, repeat_action_probability=…, full_action_space=…,
                         max_num_frames_per_episode=…)
    env = AtariPreprocessing(env, noop_max=…, frame_skip=…, screen_size=…)
    env = FrameStackObservation(env, stack)

for the same seeds and actions: observations, final observations, rewards, both flags, across automatic resets, for
every setting in ``[environment.atari]`` but ``terminal_on_life_loss``. The tests compare them. In particular, as there:

- A reset takes 1 to ``noop_max`` no-ops, drawn uniformly from the environment's own generator, which the seed of a
  reset seeds and automatic resets go on with; ``noop_max = 0`` takes none. They count towards ``max_episode_frames``.
- The stack after a reset holds the first frame ``stack`` times.
- Rewards are raw.

What differs: with ``terminal_on_life_loss`` a lost life ends the episode for learning and the game goes on, as in Mnih et
al. 2015, so what is reported is of whole games. Gymnasium's flag restarts the game, and shows no more of it than its first
life.

``ale_py.AtariVectorEnv`` is not used. It draws from 0 to ``noop_max − 1`` no-ops with another generator, pads the stack
with black frames, leaves no-ops out of the length of an episode, and does not end it with the last life where the game
goes on after that; and it is no faster here (Pong, 8 environments, one core: 3 000 env steps/s against 3 200). The
emulator takes nearly all the time, so this module drives the very same emulator, makes the few calls that a step needs
(Gymnasium's wrappers also render each frame in colour) and leaves the screen in shared memory. OpenCV would take a fifth of a
step to make that smaller, and a hundred megabytes of disk.
"""

from __future__ import annotations

import contextlib
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .failure import HostError, import_hint
from .registry import make_registered
from .seeding import seed_of
from .settings import AtariSettings, Settings
from .shared_arrays import SharedArrays
from .spaces import ActionCodec, DiscreteAction, ObservationCodec, PixelObservation

try:
    import ale_py
except ImportError as error:
    raise HostError("Atari needs ale-py", import_hint("environment.python")) from error

_OURS = {
    "frameskip": "frame_skip",
    "repeat_action_probability": "repeat_action_probability",
    "full_action_space": "full_action_space",
    "max_num_frames_per_episode": "max_episode_frames",
}
"""Keywords of the emulator that have their own key in ``[environment.atari]``."""

_UNSUPPORTED = ("obs_type", "continuous", "sound_obs")
"""Keywords that ask for something else than grey frames and a joystick's positions."""


GAME_OVER = 1
"""In ``terminated``: the episode has reached its end."""

LIFE_LOST = 2
"""In ``terminated``: the episode ends for learning, and what is counted of it goes on."""


class AtariGame:
    """One game: acts, watches, and leaves its screen ``[H, W]`` where the actor reads it."""

    def __init__(self, id: str, kwargs: dict[str, Any], settings: AtariSettings) -> None:
        environment: Any = make_registered(
            id,
            {
                **kwargs,
                "frameskip": 1,
                "repeat_action_probability": settings.repeat_action_probability,
                "full_action_space": settings.full_action_space,
                "max_num_frames_per_episode": settings.max_episode_frames,
            },
        )
        self.game = environment.unwrapped
        self._ale = self.game.ale
        self._actions = list(self.game._action_set)
        self._settings = settings
        self.screen_size: tuple[int, int] = self._ale.getScreenDims()
        self._last_but_one = np.zeros(self.screen_size, np.uint8)
        self._lives = 0

    def show_on(self, screen: NDArray[np.uint8]) -> None:
        """Says where the screen is to be left."""
        self._last = screen

    def reset(self, seed: int | None) -> None:
        """Starts an episode and shows its first frame."""
        game, ale, noop_max = self.game, self._ale, self._settings.noop_max
        game.reset(seed=seed)
        noops = int(game.np_random.integers(1, noop_max + 1)) if noop_max > 0 else 0
        for _ in range(noops):
            ale.act(self._actions[0], 1.0)
            if ale.game_over(with_truncation=True):
                game.reset(seed=seed)
        self._lives = ale.lives()
        ale.getScreenGrayscale(self._last)
        self._last_but_one.fill(0)

    def step(self, action: int) -> tuple[float, int, bool]:
        """Holds an action for ``frame_skip`` ticks, or until the episode ends, and shows the last two frames in one.

        Gives the reward, whether the episode terminated (``GAME_OVER`` or ``LIFE_LOST``), and whether it was truncated.
        """
        ale, last = self._ale, self._settings.frame_skip - 1
        chosen = self._actions[action]
        reward, terminated, truncated = 0.0, 0, False
        for tick in range(last + 1):
            reward += ale.act(chosen, 1.0)
            if ale.game_over(with_truncation=True):
                terminated = GAME_OVER if ale.game_over(with_truncation=False) else 0
                truncated = ale.game_truncated()
            # As in AtariPreprocessing, an episode that ends here leaves the frames as they were.
            if terminated or truncated:
                break
            if tick == last:
                ale.getScreenGrayscale(self._last)
            elif tick == last - 1:
                ale.getScreenGrayscale(self._last_but_one)
        if last > 0:
            np.maximum(self._last, self._last_but_one, out=self._last)
        if self._settings.terminal_on_life_loss:
            lives = ale.lives()
            if lives < self._lives and not (terminated or truncated):
                terminated = LIFE_LOST
            self._lives = lives
        return reward, terminated, truncated


class AtariVector:
    """Several games of one kind, stepped one after the other."""

    def __init__(self, settings: Settings) -> None:
        _check(settings)
        gymnasium.register_envs(ale_py)
        atari = settings.atari
        self._games = [AtariGame(settings.id, settings.kwargs, atari) for _ in range(settings.count)]
        shape = (1, *self._games[0].screen_size)
        self.observation: ObservationCodec = PixelObservation(spaces.Box(0, 255, shape, np.uint8), channels_first=True)
        self.action: ActionCodec = DiscreteAction(self._games[0].game.action_space)
        self.frame_skip = atari.frame_skip

    def attach(self, arrays: SharedArrays) -> None:
        """Says where to read actions and leave everything else."""
        self._arrays = arrays
        for game, screen in zip(self._games, arrays.observations):
            game.show_on(screen[0])

    def reset(self, seed: int) -> None:
        """Starts a new episode everywhere, each game seeded by :func:`seed_of`."""
        for index, game in enumerate(self._games):
            game.reset(seed_of(seed, index))

    def step(self) -> None:
        """Takes the actions in shared memory."""
        arrays = self._arrays
        actions = self.action.read(arrays.actions)
        for index, (game, action) in enumerate(zip(self._games, actions)):
            reward, terminated, truncated = game.step(action)
            arrays.rewards[index] = reward
            arrays.terminated[index] = terminated
            arrays.truncated[index] = truncated
            if terminated or truncated:
                arrays.final_observations[index] = arrays.observations[index]
            if terminated == GAME_OVER or truncated:
                game.reset(None)

    def close(self) -> None:
        """Ends the games."""
        for game in self._games:
            with contextlib.suppress(Exception):
                game.game.close()


def _check(settings: Settings) -> None:
    for keyword in settings.kwargs:
        if keyword in _OURS:
            raise HostError(
                f"environment.kwargs.{keyword} has its own key", f"set environment.atari.{_OURS[keyword]} in its place"
            )
        if keyword in _UNSUPPORTED:
            raise HostError(
                f"environment.kwargs.{keyword} is not supported for `{settings.id}`",
                "Atari is played on grey frames with discrete actions",
            )
    atari = settings.atari
    for key in ("frame_skip", "max_episode_frames"):
        if getattr(atari, key) < 1:
            raise HostError(f"environment.atari.{key} is {getattr(atari, key)}", "expected at least 1")
