"""Troop's Atari against Gymnasium's own wrappers: equal, byte for byte, once OpenCV has made the screens smaller.

What the actor makes of them is compared in ``actor/tests/gymnasium_host.rs``.
"""

from __future__ import annotations

from typing import Any

import cv2
import gymnasium
import numpy as np
import pytest
from gymnasium.wrappers import AtariPreprocessing

from troop_gym_host.atari import GAME_OVER, LIFE_LOST, AtariVector
from troop_gym_host.failure import HostError
from troop_gym_host.seeding import seed_of
from troop_gym_host.settings import AtariSettings, Settings
from troop_gym_host.shared_arrays import SharedArrays, specify

SEED = 0x1234_5678_9ABC_DEF0


def settings(id: str, count: int, kwargs: dict[str, Any] | None = None, **atari: Any) -> Settings:
    return Settings(id=id, count=count, kwargs=kwargs or {}, imports=[], atari=AtariSettings(**atari))


def attached(vector: AtariVector, count: int) -> SharedArrays:
    arrays = SharedArrays.private(specify(count, vector.observation, vector.action))
    vector.attach(arrays)
    return arrays


def reference(id: str, kwargs: dict[str, Any], atari: AtariSettings) -> gymnasium.Env[Any, Any]:
    environment = gymnasium.make(
        id,
        frameskip=1,
        repeat_action_probability=atari.repeat_action_probability,
        full_action_space=atari.full_action_space,
        max_num_frames_per_episode=atari.max_episode_frames,
        **kwargs,
    )
    environment = AtariPreprocessing(
        environment,
        noop_max=atari.noop_max,
        frame_skip=atari.frame_skip,
        screen_size=atari.screen_size,
    )
    return environment


def scaled(screen: Any, size: int) -> Any:
    return cv2.resize(screen[0], (size, size), interpolation=cv2.INTER_AREA)


def check(steps: int, wanted: Settings) -> dict[str, int]:
    """Plays both side by side with random actions; gives how many episodes ended, and how."""
    vector = AtariVector(wanted)
    arrays = attached(vector, wanted.count)
    references = [reference(wanted.id, wanted.kwargs, wanted.atari) for _ in range(wanted.count)]
    n = int(references[0].action_space.n)
    assert vector.action.describe()["n"] == n
    assert vector.observation.describe()["shape"] == [1, 210, 160]
    size = wanted.atari.screen_size

    vector.reset(SEED)
    for index, environment in enumerate(references):
        observation, _ = environment.reset(seed=seed_of(SEED, index))
        np.testing.assert_array_equal(scaled(arrays.observations[index], size), observation)
    actions = np.random.default_rng(1).integers(0, n, (steps, wanted.count))
    ends = {"terminated": 0, "truncated": 0, "rewards": 0}
    for step in range(steps):
        arrays.actions[:] = actions[step]
        vector.step()
        for index, environment in enumerate(references):
            observation, reward, terminated, truncated, _ = environment.step(int(actions[step, index]))
            context = f"step {step}, environment {index}"
            assert arrays.rewards[index] == reward, context
            assert arrays.terminated[index] == terminated, context
            assert arrays.truncated[index] == truncated, context
            ends["terminated"] += terminated
            ends["truncated"] += truncated
            ends["rewards"] += reward != 0
            if terminated or truncated:
                np.testing.assert_array_equal(scaled(arrays.final_observations[index], size), observation, context)
                observation, _ = environment.reset()
            np.testing.assert_array_equal(scaled(arrays.observations[index], size), observation, context)
    vector.close()
    return ends


@pytest.mark.parametrize("id", ["ALE/Pong-v5", "ALE/Breakout-v5"])
def test_equals_gymnasium_across_episode_ends(id: str) -> None:
    ends = check(1_500, settings(id, 2))
    assert ends["terminated"] >= 2
    assert ends["rewards"] >= 10


def test_a_lost_life_ends_the_episode_for_learning_and_the_game_goes_on() -> None:
    """Two vectors play the same games; one is told of lives."""
    games, lives = (AtariVector(settings("ALE/Breakout-v5", 1, terminal_on_life_loss=flag)) for flag in (False, True))
    of_games, of_lives = (attached(vector, 1) for vector in (games, lives))
    for vector in (games, lives):
        vector.reset(SEED)
    ale = lives._games[0]._ale
    counts = {0: 0, GAME_OVER: 0, LIFE_LOST: 0}
    actions = np.random.default_rng(1).integers(0, 4, 1_500)
    before = ale.lives()
    for action in actions:
        for vector, arrays in ((games, of_games), (lives, of_lives)):
            arrays.actions[0] = action
            vector.step()
        assert of_games.rewards[0] == of_lives.rewards[0]
        told = int(of_lives.terminated[0])
        counts[told] += 1
        assert (told == GAME_OVER) == bool(of_games.terminated[0])
        assert (told == LIFE_LOST) == (ale.lives() < before)
        before = ale.lives()
        np.testing.assert_array_equal(of_games.observations, of_lives.observations)
        if told == LIFE_LOST:
            np.testing.assert_array_equal(of_lives.final_observations[0], of_lives.observations[0])
    assert counts[GAME_OVER] >= 1
    assert counts[LIFE_LOST] >= 4 * counts[GAME_OVER]


def test_equals_gymnasium_with_sticky_actions_all_actions_and_a_short_time_limit() -> None:
    atari = {"repeat_action_probability": 0.25, "full_action_space": True, "max_episode_frames": 402}
    assert check(400, settings("ALE/Breakout-v5", 2, **atari))["truncated"] >= 4


@pytest.mark.parametrize(
    ("frame_skip", "screen_size", "noop_max"), [(1, 84, 0), (2, 42, 5), (5, 96, 1)]
)
def test_equals_gymnasium_with_other_numbers(frame_skip: int, screen_size: int, noop_max: int) -> None:
    numbers = {"frame_skip": frame_skip, "screen_size": screen_size, "noop_max": noop_max}
    check(250, settings("ALE/Breakout-v5", 1, {"difficulty": 1}, max_episode_frames=203, **numbers))


def test_keywords_with_a_key_of_their_own_are_refused() -> None:
    with pytest.raises(HostError, match="frameskip") as error:
        AtariVector(settings("ALE/Pong-v5", 1, {"frameskip": 4}))
    assert "environment.atari.frame_skip" in error.value.hint
    with pytest.raises(HostError, match="obs_type"):
        AtariVector(settings("ALE/Pong-v5", 1, {"obs_type": "ram"}))


def test_a_game_that_is_not_there() -> None:
    with pytest.raises(HostError, match="no such environment") as error:
        AtariVector(settings("ALE/Pongg-v5", 1))
    assert "environment.id" in error.value.hint
