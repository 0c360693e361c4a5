"""Every space that is supported, and those that are not."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from troop_gym_host.failure import HostError
from troop_gym_host.spaces import action_codec, observation_codec


SEQUENCES = [spaces.Sequence(spaces.Discrete(2)), spaces.Dict(a=spaces.Sequence(spaces.Discrete(2)))]


def written(space: spaces.Space[Any], observation: Any) -> tuple[dict[str, Any], Any]:
    codec = observation_codec(space)
    target = np.full(codec.shape, 9, codec.dtype)
    codec.write(target, observation)
    described = codec.describe()
    assert described["shape"] == list(target.shape)
    assert described["element"] == {"float32": "f32", "uint8": "u8"}[str(target.dtype)]
    return described, target.tolist()


@pytest.mark.parametrize(
    ("space", "observation", "expected"),
    [
        (spaces.Box(-1, 1, (2,), np.float64), np.array([0.5, -0.25]), [0.5, -0.25]),
        (spaces.Box(-9, 9, (2, 2), np.int32), np.array([[1, 2], [3, -4]]), [1, 2, 3, -4]),
        (spaces.Box(-1, 1, (), np.float32), np.float32(0.5), [0.5]),
        (spaces.Box(0, 255, (2,), np.uint8), np.array([0, 255], np.uint8), [0, 255]),
        (spaces.Discrete(3), 2, [0, 0, 1]),
        (spaces.Discrete(3, start=-1), np.int64(-1), [1, 0, 0]),
        (spaces.MultiBinary(3), np.array([1, 0, 1], np.int8), [1, 0, 1]),
        (spaces.MultiDiscrete([2, 3]), np.array([1, 2]), [0, 1, 0, 0, 1]),
        (spaces.Tuple((spaces.Discrete(2), spaces.Box(0, 9, (1,)))), (1, np.array([7.0])), [0, 1, 7]),
        (
            spaces.Dict(a=spaces.Box(0, 9, (2,)), b=spaces.Discrete(2)),
            {"a": np.array([3.0, 4.0]), "b": 0},
            [3, 4, 1, 0],
        ),
    ],
)
def test_observations_become_floats(space: spaces.Space[Any], observation: Any, expected: list[float]) -> None:
    described, target = written(space, observation)
    assert described == {"shape": [len(expected)], "element": "f32"}
    assert target == expected


def test_truth_values_of_an_image_become_black_and_white() -> None:
    image = np.zeros((10, 10, 4), np.bool_)
    image[3, 7, 2] = True
    expected = np.zeros((4, 10, 10), np.uint8)
    expected[2, 3, 7] = 255
    for given in (image, image.astype(np.int64), image.astype(np.float32)):
        described, target = written(spaces.Box(0.0, 1.0, (10, 10, 4), np.bool_), given)
        assert described == {"shape": [4, 10, 10], "element": "u8"}
        assert target == expected.tolist()
    assert written(spaces.Box(0, 1, (2,), np.bool_), np.array([True, False]))[1] == [1, 0]


def test_channels_that_come_last_are_moved_first() -> None:
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    described, target = written(spaces.Box(0, 255, (4, 5, 3), np.uint8), image)
    assert described == {"shape": [3, 4, 5], "element": "u8"}
    assert target == np.moveaxis(image, 2, 0).tolist()


def test_channels_that_come_first_stay() -> None:
    image = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)
    described, target = written(spaces.Box(0, 255, (3, 4, 5), np.uint8), image)
    assert described == {"shape": [3, 4, 5], "element": "u8"}
    assert target == image.tolist()


@pytest.mark.parametrize("space", SEQUENCES)
def test_other_observations_are_refused_by_name(space: spaces.Space[Any]) -> None:
    with pytest.raises(HostError) as error:
        observation_codec(space)
    assert str(space) in str(error.value)
    assert "MultiDiscrete" in error.value.hint


def test_nothing_to_look_at_is_refused() -> None:
    with pytest.raises(HostError, match="is empty"):
        observation_codec(spaces.Box(0, 1, (2, 0)))


def test_choices_count_from_the_start_of_their_space() -> None:
    codec = action_codec(spaces.Discrete(3, start=5))
    assert codec.describe() == {"kind": "discrete", "n": 3}
    assert codec.read(np.array([0, 2])) == [5, 7]


@pytest.mark.parametrize(
    ("space", "choices", "taken", "expected"),
    [
        (spaces.MultiDiscrete([3, 2]), [3, 2], [2, 1], [2, 1]),
        (spaces.MultiDiscrete([3, 2], start=[5, -1]), [3, 2], [2, 1], [7, 0]),
        (spaces.MultiDiscrete([[2, 3], [4, 5]]), [2, 3, 4, 5], [1, 2, 3, 4], [[1, 2], [3, 4]]),
        (spaces.MultiBinary(3), [2, 2, 2], [0, 1, 1], [0, 1, 1]),
        (spaces.MultiBinary([2, 2]), [2, 2, 2, 2], [0, 1, 1, 0], [[0, 1], [1, 0]]),
    ],
)
def test_several_choices_at_once(
    space: spaces.Space[Any], choices: list[int], taken: list[int], expected: list[Any]
) -> None:
    codec = action_codec(space)
    assert codec.describe() == {"kind": "multi_discrete", "n": choices}
    json.dumps(codec.describe(), allow_nan=False)
    assert codec.choices == tuple(choices) and codec.shape == (len(choices),)
    first, second = codec.read(np.array([taken, [0] * len(choices)]))
    assert first.tolist() == expected
    assert space.contains(first) and space.contains(second)


def test_vectors_are_clipped_to_their_bounds() -> None:
    space = spaces.Box(np.array([[-1.0, -2.0]], np.float32), np.array([[1.0, np.inf]], np.float32))
    codec = action_codec(space)
    assert codec.describe() == {"kind": "box", "low": [-1, -2], "high": [1, None]}
    json.dumps(codec.describe(), allow_nan=False)
    first, second = codec.read(np.array([[-3, -3], [0.5, 9]], np.float32))
    assert first.tolist() == [[-1, -2]]
    assert second.tolist() == [[0.5, 9]]
    assert first.dtype == np.float32
    assert space.contains(second)


def test_vectors_are_rounded_where_the_space_holds_integers() -> None:
    space = spaces.Box(0, 3, (2,), np.int64)
    (action,) = action_codec(space).read(np.array([[0.6, 9.0]], np.float32))
    assert action.tolist() == [1, 3]
    assert space.contains(action)


@pytest.mark.parametrize("space", [spaces.Tuple(()), spaces.Text(3), spaces.Box(0, 1, (0,))])
def test_other_actions_are_refused_by_name(space: spaces.Space[Any]) -> None:
    with pytest.raises(HostError) as error:
        action_codec(space)
    assert str(space) in str(error.value)
    assert "MultiDiscrete, MultiBinary or Box" in error.value.hint
