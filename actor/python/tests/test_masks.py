"""Which choices the environments leave open."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from troop_gym_host.failure import HostError
from troop_gym_host.masks import ActionMasks
from troop_gym_host.settings import AtariSettings, Settings
from troop_gym_host.shared_arrays import SharedArrays, specify
from troop_gym_host.spaces import action_codec, observation_codec
from troop_gym_host.vector import GymnasiumVector


def masks(space: spaces.Space[Any], count: int = 1) -> tuple[ActionMasks, SharedArrays]:
    action = action_codec(space)
    arrays = SharedArrays.private(specify(count, observation_codec(spaces.Discrete(2)), action))
    masks = ActionMasks(action.choices)
    masks.attach(arrays)
    return masks, arrays


@pytest.mark.parametrize(
    ("space", "given", "expected"),
    [
        (spaces.Discrete(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
        (spaces.Discrete(3, start=4), [True, False, False], [1, 0, 0]),
        (spaces.MultiDiscrete([2, 3]), (np.array([0, 1]), np.array([1, 1, 0])), [0, 1, 1, 1, 0]),
        (spaces.MultiDiscrete([2, 3]), np.array([0, 1, 1, 1, 0]), [0, 1, 1, 1, 0]),
        (spaces.MultiDiscrete([2, 2]), [[1, 0], [0, 1]], [1, 0, 0, 1]),
        (spaces.MultiDiscrete([2, 2]), np.array([[1, 0], [0, 1]]), [1, 0, 0, 1]),
        (spaces.MultiBinary(2), [1, 0, 1, 1], [1, 0, 1, 1]),
    ],
)
def test_masks_are_laid_out_component_after_component(space: spaces.Space[Any], given: Any, expected: Any) -> None:
    writer, arrays = masks(space, 2)
    writer.after_reset([{"action_mask": given}, {}])
    assert arrays.masked[0] == 1
    assert arrays.masks.tolist() == [expected, [1] * len(expected)]


def test_without_masks_nothing_is_written_and_a_late_one_is_an_error() -> None:
    writer, arrays = masks(spaces.Discrete(2))
    writer.after_reset([{}])
    writer.write(0, {"something": 1})
    assert arrays.masked[0] == 0
    with pytest.raises(HostError, match="none after the first reset"):
        writer.write(0, {"action_mask": [1, 0]})


@pytest.mark.parametrize(
    ("space", "given"),
    [
        (spaces.Discrete(3), [0, 0, 0]),
        (spaces.Discrete(3), [1, 1]),
        (spaces.MultiDiscrete([2, 2]), [1, 1, 0, 0]),
        (spaces.MultiDiscrete([2, 3]), ([1, 1, 1], [1, 1, 1])),
        (spaces.Box(0, 1, (2,)), [1, 1]),
    ],
)
def test_masks_that_cannot_be(space: spaces.Space[Any], given: Any) -> None:
    writer, _ = masks(space)
    with pytest.raises(HostError) as error:
        writer.after_reset([{"action_mask": given}])
    assert "info['action_mask']" in str(error.value) and error.value.hint.startswith("expected")


def test_where_an_episode_ended_everything_may_be_closed() -> None:
    writer, arrays = masks(spaces.MultiDiscrete([2, 2]))
    writer.after_reset([{"action_mask": [1, 0, 1, 1]}])
    writer.write_final(0, {"action_mask": [0, 0, 1, 0]})
    assert arrays.final_masks[0].tolist() == [1, 1, 1, 1]
    writer.write_final(0, {"action_mask": [0, 1, 1, 0]})
    assert arrays.final_masks[0].tolist() == [0, 1, 1, 0]


def test_taxi_gives_masks_and_they_follow_its_resets() -> None:
    vector = GymnasiumVector(Settings(id="Taxi-v4", count=2, kwargs={}, imports=[], atari=AtariSettings()))
    arrays = SharedArrays.private(specify(2, vector.observation, vector.action))
    vector.attach(arrays)
    vector.reset(3)
    assert arrays.masked[0] == 1
    rng = np.random.default_rng(1)
    taxis: list[Any] = [environment.unwrapped for environment in vector._environments]
    finals = 0
    for _ in range(450):
        for index, taxi in enumerate(taxis):
            assert arrays.masks[index].tolist() == taxi.action_mask(taxi.s).tolist()
            arrays.actions[index] = rng.choice(np.flatnonzero(arrays.masks[index]))
        vector.step()
        ended = (arrays.terminated | arrays.truncated).astype(bool)
        finals += ended.sum()
        for index in np.flatnonzero(ended):
            state = int(np.flatnonzero(arrays.final_observations[index])[0])
            assert arrays.final_masks[index].tolist() == taxis[index].action_mask(state).tolist()
    assert finals >= 4
    vector.close()
