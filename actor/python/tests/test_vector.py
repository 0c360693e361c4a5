"""Any registered id: automatic resets, seeds, failures."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import numpy as np
import pytest

from troop_gym_host.failure import HostError, describe
from troop_gym_host.seeding import seed_of
from troop_gym_host.settings import AtariSettings, Settings, Wrapper
from troop_gym_host.shared_arrays import SharedArrays, specify
from troop_gym_host.vector import GymnasiumVector, import_modules, make_vector


def started(id: str, count: int) -> tuple[GymnasiumVector, SharedArrays]:
    vector = GymnasiumVector(Settings(id=id, count=count, kwargs={}, imports=[], atari=AtariSettings()))
    arrays = SharedArrays.private(specify(count, vector.observation, vector.action))
    vector.attach(arrays)
    return vector, arrays


@pytest.mark.parametrize("id", ["CartPole-v1", "MountainCar-v0", "Pendulum-v1", "Taxi-v4"])
def test_equals_single_environments_with_resets_between(id: str) -> None:
    vector, arrays = started(id, 3)
    references = [gymnasium.make(id) for _ in range(3)]
    vector.reset(77)
    for index, environment in enumerate(references):
        environment.action_space.seed(index)
        observation, _ = environment.reset(seed=seed_of(77, index))
        assert_observed(vector, arrays.observations[index], observation)
    ends = 0
    for _ in range(450):
        actions = [environment.action_space.sample() for environment in references]
        arrays.actions[:] = actions
        vector.step()
        for index, environment in enumerate(references):
            observation, reward, terminated, truncated, _ = environment.step(actions[index])
            assert arrays.rewards[index] == np.float32(reward)
            assert arrays.terminated[index] == terminated
            assert arrays.truncated[index] == truncated
            if terminated or truncated:
                ends += 1
                assert_observed(vector, arrays.final_observations[index], observation)
                observation, _ = environment.reset()
            assert_observed(vector, arrays.observations[index], observation)
    assert ends > 3
    vector.close()


def assert_observed(vector: GymnasiumVector, shared: np.ndarray, observation: object) -> None:
    expected = np.empty(vector.observation.shape, vector.observation.dtype)
    vector.observation.write(expected, observation)
    np.testing.assert_array_equal(shared, expected)


def test_mujoco_runs_without_a_screen() -> None:
    vector, arrays = started("HalfCheetah-v5", 1)
    assert (arrays.observations.shape, arrays.actions.shape) == ((1, 17), (1, 6))
    vector.reset(1)
    arrays.actions[:] = 0.5
    vector.step()
    assert np.isfinite(arrays.observations).all()
    assert not arrays.terminated[0]
    vector.close()


def wrapped(*wrappers: Wrapper) -> GymnasiumVector:
    settings = Settings(
        id="CartPole-v1", count=1, kwargs={}, imports=[], atari=AtariSettings(), wrappers=wrappers
    )
    return GymnasiumVector(settings)


def test_wrappers_stand_around_each_environment_the_first_innermost() -> None:
    stacked = Wrapper("gymnasium.wrappers:FrameStackObservation", {"stack_size": 3})
    flat = Wrapper("gymnasium.wrappers:FlattenObservation")
    assert wrapped(stacked, flat).observation.shape == (12,)
    assert wrapped(flat).observation.shape == (4,)


@pytest.mark.parametrize(
    ("wrapper", "expected"),
    [
        (Wrapper("no_such_module:Class"), "`no_such_module:Class` does not import: ModuleNotFoundError"),
        (Wrapper("gymnasium.wrappers:NoSuchClass"), "`gymnasium.wrappers:NoSuchClass` does not import: AttributeError"),
        (Wrapper("gymnasium.wrappers:FrameStackObservation"), "cannot be put around it: TypeError"),
        (Wrapper("builtins:type"), "the wrapper `builtins:type` gave type"),
    ],
)
def test_wrappers_that_do_not_work(wrapper: Wrapper, expected: str) -> None:
    with pytest.raises(HostError) as error:
        wrapped(wrapper)
    failure = describe(error.value)
    assert expected in failure["error"]
    assert failure["hint"]


def test_a_plug_in_registers_its_ids_once_they_are_asked_for() -> None:
    vector, arrays = started("MinAtar/Breakout-v1", 2)
    assert (vector.observation.shape, vector.action.choices) == ((4, 10, 10), (3,))
    vector.reset(1)
    assert set(np.unique(arrays.observations)) == {0, 255}
    with pytest.raises(HostError, match="there is no such environment"):
        started("MinAtar/NoSuchGame-v1", 1)
    vector.close()


def test_seeds_differ_between_environments_and_between_seeds() -> None:
    seeds = {seed_of(seed, index) for seed in (0, 1, 2, 2**64 - 1) for index in range(100)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of(3, 4) == seed_of(3, 4)


def test_an_id_that_is_not_registered() -> None:
    with pytest.raises(HostError) as error:
        started("NoSuchThing-v0", 1)
    failure = describe(error.value)
    assert failure["error"].startswith("there is no such environment: gymnasium.error.NameNotFound: ")
    assert "environment.imports" in failure["hint"]
    assert "Traceback" in failure["traceback"]


def test_keywords_that_the_environment_does_not_take() -> None:
    settings = Settings(id="CartPole-v1", count=1, kwargs={"wind": 3}, imports=[], atari=AtariSettings())
    with pytest.raises(HostError) as error:
        make_vector(settings)
    assert "wind" in describe(error.value)["error"]


def test_imports_by_name_and_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    (tmp_path / "troop_by_path.py").write_text("import troop_neighbour\n")
    (tmp_path / "troop_neighbour.py").write_text("")
    import_modules(["json", str(tmp_path / "troop_by_path.py")])
    with pytest.raises(HostError, match="cannot import `troop_is_not_here`") as error:
        import_modules(["troop_is_not_here"])
    failure = describe(error.value)
    assert "ModuleNotFoundError: No module named 'troop_is_not_here'" in failure["error"]
    assert "environment.imports" in failure["hint"]
