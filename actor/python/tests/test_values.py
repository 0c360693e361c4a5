"""What an environment gives wrongly is said, in place of being trained on."""

from __future__ import annotations

import re
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from troop_gym_host.failure import HostError, describe
from troop_gym_host.python_warnings import MARK, pass_on
from troop_gym_host.seeding import seed_of
from troop_gym_host.settings import AtariSettings, Settings
from troop_gym_host.shared_arrays import SharedArrays, specify
from troop_gym_host.spaces import action_codec, observation_codec
from troop_gym_host.vector import GymnasiumVector, make_vector

FLOATS = spaces.Box(-1, 1, (4,), np.float32)


class Given(gymnasium.Env[Any, Any]):
    """Shows what it is given: ``start`` at a reset, then ``result`` of a step."""

    def __init__(self, space: spaces.Space[Any], start: Any, result: Any = None, actions: Any = None) -> None:
        self.observation_space = space
        self.action_space = actions if actions is not None else spaces.Discrete(2)
        self._start = start
        self._result = result
        self.acted: list[Any] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return self._start

    def step(self, action: Any) -> Any:
        self.acted.append(action)
        return self._result


def vector_of(*environments: Given) -> GymnasiumVector:
    given = iter(environments)
    gymnasium.register("Given-v0", lambda: next(given), disable_env_checker=True, order_enforce=False)
    try:
        settings = Settings("Given-v0", len(environments), {}, [], AtariSettings())
        vector = GymnasiumVector(settings)
    finally:
        gymnasium.registry.pop("Given-v0")
    arrays = SharedArrays.private(specify(len(environments), vector.observation, vector.action))
    vector.attach(arrays)
    return vector


def refusal(environment: Given, step: bool = False) -> str:
    vector = vector_of(environment)
    with pytest.raises(HostError) as raised:
        vector.reset(1)
        if step:
            vector.step()
    message = describe(raised.value)
    return f"{message['error']}; {message['hint']}"


@pytest.mark.parametrize(
    ("space", "observation", "found"),
    [
        (FLOATS, np.zeros(1, np.float32), "shape (1,); expected float32 of shape (4,)"),
        (FLOATS, 0.5, "shape (); expected float32 of shape (4,)"),
        (FLOATS, np.zeros((2, 2), np.float32), "shape (2, 2)"),
        (FLOATS, np.zeros(4, np.complex64), "ndarray of complex64"),
        (FLOATS, None, "the observation is None, NoneType"),
        (FLOATS, ["a", "b", "c", "d"], "the observation is ['a', 'b', 'c', 'd'], list"),
        (FLOATS, [[1.0], 2.0, 3.0, 4.0], "list; expected float32"),
        (FLOATS, np.array([1, np.nan, 0, 0], np.float32), "the observation is nan at 1"),
        (FLOATS, np.full(4, 1e300), "the observation is inf at 0"),
        (spaces.Box(0, 255, (2, 3, 3), np.uint8), np.full((2, 3, 3), 0.9), "float64 values that uint8 cannot hold"),
        (spaces.Box(0, 255, (2, 3, 3), np.uint8), np.full((2, 3, 3), -1), "int64 values that uint8 cannot hold"),
        (spaces.Box(0, 255, (2, 3, 3), np.uint8), np.full((2, 3, 3), 256), "from 256 to 256"),
        (spaces.Box(0, 9, (2,), np.int64), np.array([0.5, 1.0]), "float64 values that int64 cannot hold"),
        (spaces.Discrete(3, start=1), 0, "the observation is 0, int; expected 1 to 3"),
        (spaces.Discrete(3), 1.5, "cannot hold"),
        (spaces.MultiBinary(3), np.array([0, 2, 1], np.int8), "the observation is array([0, 2, 1]"),
        (
            spaces.Dict({"a": spaces.Discrete(2), "b": spaces.Tuple([FLOATS, spaces.Discrete(2)])}),
            {"a": 0, "b": (np.zeros(3, np.float32), 0)},
            "the observation['b'][0] is array([0., 0., 0.]",
        ),
        (spaces.Dict({"a": spaces.Discrete(2)}), {"b": 0}, "the observation is {'b': 0}, dict"),
    ],
)
def test_a_wrong_observation_is_named_with_what_was_expected(space: Any, observation: Any, found: str) -> None:
    text = refusal(Given(space, (observation, {})))
    assert all(part in text for part in found.split("; ")), text
    assert "(at a reset, environment 0)" in text


@pytest.mark.parametrize(
    ("space", "observation"),
    [
        (FLOATS, [0.0, 0.5, 1, True]),
        (FLOATS, np.zeros(4)),
        (FLOATS, np.arange(4)),
        (spaces.Box(0, 255, (2, 3, 3), np.uint8), np.full((2, 3, 3), 255)),
        (spaces.Box(0, 255, (2, 3, 3), np.uint8), np.full((2, 3, 3), 7.0)),
        (spaces.Discrete(3), np.int64(2)),
        (spaces.Discrete(3), np.array(2)),
        (spaces.Dict({"a": spaces.Box(0, 1, (2,))}), {"a": np.array([3.0, 4.0])}),
    ],
)
def test_what_can_be_converted_without_loss_is_taken(space: Any, observation: Any) -> None:
    vector_of(Given(space, (observation, {}))).reset(1)


GOOD = np.zeros(4, np.float32)


@pytest.mark.parametrize(
    ("result", "found"),
    [
        ((GOOD, np.zeros(2), False, False, {}), "the reward is array([0., 0.]), ndarray of float64; expected one number"),
        ((GOOD, None, False, False, {}), "the reward is None, NoneType"),
        ((GOOD, "1", False, False, {}), "the reward is '1', str"),
        ((GOOD, 1 + 2j, False, False, {}), "the reward is (1+2j), complex"),
        ((GOOD, np.inf, False, False, {}), "the reward is inf"),
        ((GOOD, 1e300, False, False, {}), "the reward is inf"),
        ((GOOD, 1.0, False, {}), "step() returned 4 values; expected (observation, reward, terminated"),
        ((GOOD, 1.0, None, False, {}), "`terminated` is None"),
        ((GOOD, 1.0, False, False, None), "the info of step() is None, NoneType"),
        (None, "step() returned None, NoneType"),
        ((np.array([1, np.nan, 0, 0]), 1.0, True, False, {}), "the final observation is nan at 1"),
        ((np.zeros(1), 1.0, False, False, {}), "the observation has shape (1,)"),
    ],
)
def test_a_wrong_step_is_named(result: Any, found: str) -> None:
    text = refusal(Given(FLOATS, (GOOD, {}), result), step=True)
    assert all(part in text for part in found.split("; ")), text
    assert "(step 1, environment 0)" in text
    assert ("before 0.26" in text) == (result is not None and (len(result) == 4 or result[-1] is None))


def test_the_environment_that_gave_it_is_named() -> None:
    good = Given(FLOATS, (GOOD, {}), (GOOD, 1.0, False, False, {}))
    for result in ((GOOD, np.nan, False, False, {}), (np.full(4, np.inf), 1.0, False, False, {})):
        vector = vector_of(good, Given(FLOATS, (GOOD, {}), result), good)
        vector.reset(1)
        with pytest.raises(HostError, match=re.escape("(step 1, environment 1)")):
            vector.step()


@pytest.mark.parametrize("start", [GOOD, np.zeros(2, np.float32), (GOOD,), (GOOD, None)])
def test_an_old_reset_is_named(start: Any) -> None:
    text = refusal(Given(FLOATS, start))
    assert text.startswith(("reset() returned", "the info of reset()"))
    assert "API of Gym before 0.26" in text


def test_a_wrapper_that_cannot_unpack_an_old_step_is_understood() -> None:
    old = Given(FLOATS, (GOOD, {}), (GOOD, 1.0, False, {}))
    gymnasium.register("Old-v0", lambda: old, max_episode_steps=10, disable_env_checker=True)
    vector = GymnasiumVector(Settings("Old-v0", 1, {}, [], AtariSettings()))
    gymnasium.registry.pop("Old-v0")
    vector.attach(SharedArrays.private(specify(1, vector.observation, vector.action)))
    vector.reset(1)
    with pytest.raises(HostError, match="another number of values") as raised:
        vector.step()
    assert "before 0.26" in raised.value.hint


def test_actions_are_what_gymnasium_hands_over() -> None:
    given = Given(FLOATS, (GOOD, {}), (GOOD, 1.0, False, False, {}), spaces.Discrete(2, start=5))
    vector = vector_of(given)
    vector.reset(1)
    vector.step()
    assert type(given.acted[0]) is type(given.action_space.sample())
    assert given.acted[0].item() == 5


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(-0.1, 0.1, (2,), np.float64),
        spaces.Box(np.iinfo(np.int32).min, np.iinfo(np.int32).max, (2,), np.int32),
        spaces.Box(np.iinfo(np.int64).min, np.iinfo(np.int64).max, (2,), np.int64),
        spaces.Box(0, 255, (2,), np.uint8),
        spaces.Box(-0.1, 0.1, (2,), np.float32),
    ],
)
def test_actions_beyond_the_bounds_are_clipped_in_the_spaces_own_type(space: spaces.Box) -> None:
    codec = action_codec(space)
    for given in (0.1, -0.1, 3e38, -3e38):
        [action] = codec.read(np.full((1, 2), given, np.float32))
        assert action.dtype == space.dtype
        assert space.contains(action), (given, action)
        assert given < 1 or (action > 0).all()


def test_seeds_fit_into_31_bits() -> None:
    drawn = [seed_of(seed, index) for seed in range(50) for index in range(4)]
    assert max(drawn) < 2**31
    assert len(set(drawn)) == len(drawn)


def test_a_space_within_a_space_that_no_model_takes_is_named() -> None:
    class Mission(spaces.Space[str]):
        """Text of a kind of its own, as MiniGrid's."""

        def __init__(self) -> None:
            super().__init__(dtype=str)

        def __repr__(self) -> str:
            return "Mission()"

    inner = spaces.Dict({"image": spaces.Box(0, 255, (7, 7, 3), np.uint8), "mission": Mission()})
    for space, part in ((inner, "['mission']"), (spaces.Tuple([spaces.Discrete(2), inner]), "[1]['mission']")):
        with pytest.raises(HostError, match=re.escape(f"Mission(), which is `{part}` of")) as raised:
            observation_codec(space)
        assert "wrap the environment" in raised.value.hint


def test_bytes_with_two_axes_are_said_to_lack_a_channel() -> None:
    with pytest.warns(UserWarning, match="add an axis of channels"):
        observation_codec(spaces.Box(0, 255, (84, 84), np.uint8))


def test_small_numbers_in_an_image_are_said_to_be_divided() -> None:
    image = np.full((7, 7, 3), 10, np.uint8)
    space = spaces.Box(0, 255, image.shape, np.uint8)
    vector = vector_of(Given(space, (image, {}), (image, 1.0, True, False, {})))
    with pytest.warns(UserWarning, match="model.scale_bytes = false"):
        vector.reset(1)
        for _ in range(20):
            vector.step()


def test_raw_frames_of_a_game_are_said_to_be_raw() -> None:
    import ale_py

    gymnasium.register_envs(ale_py)
    with pytest.warns(UserWarning, match="`ALE/Pong-v5`"):
        make_vector(Settings("PongNoFrameskip-v4", 1, {}, [], AtariSettings())).close()


def test_warnings_go_to_the_actor_a_marked_line_each(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    import warnings

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    pass_on()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        pass_on()
        warnings.warn("old\nand forged", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err.startswith(f"{MARK}old and forged (DeprecationWarning, ")
    assert sys.stderr is not None
