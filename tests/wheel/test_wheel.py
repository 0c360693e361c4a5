"""What is installed from a release: it runs without a compiler, a checkout, or anything but Python."""

import json

import pytest

from machine import DIST, Machine

PROGRAMS = ("troop", "troop-learner", "troop-actor", "troop-replay")


@pytest.fixture(scope="module")
def machine():
    (wheel,) = DIST.glob("troop_rl-*.whl")
    with Machine() as machine:
        machine.run(f"python3 -m venv env && env/bin/pip install --quiet /dist/{wheel.name}")
        yield machine


def test_there_is_nothing_to_compile_with(machine):
    for program in ("cc", "gcc", "c++", "clang", "ld", "cargo", "rustc"):
        machine.fails(f"command -v {program}")


def test_cartpole_is_solved(machine):
    written = machine.run("env/bin/troop train cartpole --run-dir solved")
    assert "task solved" in written or "solved" in written, written
    summary = json.loads(machine.run("cat solved/summary.json"))
    assert summary["seconds_to_solve"] > 0
    assert "episodes" in machine.run("env/bin/troop evaluate solved --episodes 5")


def test_gymnasium_runs_on_the_environments_own_python(machine):
    # Not activated: PATH has another python3, without Gymnasium.
    assert "No module" in machine.fails("python3 -c 'import gymnasium'")
    machine.run("env/bin/troop train cartpole --set environment.host=gymnasium --steps 5000 --run-dir hosted")
    assert json.loads(machine.run("cat hosted/summary.json"))["env_steps"] >= 5000


def test_learner_and_actor_find_each_other(machine):
    learner = (
        "env/bin/troop-learner --experiment cartpole --steps 100000 --run-dir apart --listen 127.0.0.1:0 "
        "--http 127.0.0.1:0 --address-file address >learner.log"
    )
    url = "$(sed -n 's/^gRPC //p' address)"
    actor = f"until [ -e address ]; do sleep 0.1; done; env/bin/troop-actor --learner {url} --workers 1"
    machine.run(f"{{ {learner} & }}; {{ {actor}; }} && wait")
    assert json.loads(machine.run("cat apart/summary.json"))["env_steps"] >= 100_000


def test_a_replay_lies_between_those_who_act_and_those_who_train(machine):
    learner = (
        "env/bin/troop-learner --experiment cartpole-ape-x --steps 20000 --run-dir split --listen 127.0.0.1:0 "
        "--http 127.0.0.1:0 --address-file split-address >split.log"
    )
    url = "$(sed -n 's/^gRPC //p' split-address)"
    roles = [f"env/bin/troop-replay --learner {url}", f"env/bin/troop-actor --learner {url} --role act --workers 1"]
    roles = "; ".join(f"{{ {role} & }}" for role in roles)
    train = f"env/bin/troop-actor --learner {url} --role train --workers 1"
    machine.run(f"{{ {learner} & }}; until [ -e split-address ]; do sleep 0.1; done; {roles}; {{ {train}; }} && wait")
    assert json.loads(machine.run("cat split/summary.json"))["env_steps"] >= 20_000


def test_programs_say_their_names_and_need_no_libtorch(machine):
    for program in PROGRAMS:
        assert machine.run(f"env/bin/{program} --version").split()[0] == program
        assert "libtorch" not in machine.run(f"ldd env/bin/{program}")
    refused = machine.fails("env/bin/troop train cartpole --set model.backend=torch --steps 100")
    assert "built without libtorch" in refused


def test_the_archive_has_the_same_programs(machine):
    (archive,) = DIST.glob("troop-*-linux-*.tar.gz")
    machine.run(f"mkdir -p unpacked && tar --extract --gzip --strip-components=1 --directory unpacked --file /dist/{archive.name}")
    for program in PROGRAMS:
        machine.run(f"cmp unpacked/bin/{program} env/bin/{program}")
    assert machine.run("ls unpacked").split() == sorted(
        ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "THIRD-PARTY.txt", "bin", "presets", "slurm"]
    )
    machine.run("unpacked/bin/troop config unpacked/presets/pong.toml")
