"""A run from `docker-compose up` to its end, with what may happen to it between."""

import os
import subprocess

import pytest
from compose import IMAGES, LIMIT_S, SERVICES, Project, execute, inspect, wait_until

NAME = os.environ.get("COMPOSE_PROJECT_NAME", f"troop-test-{os.getpid()}")
ENDLESS = f"--steps {10**12}"


def test_cartpole_from_up_to_its_end():
    variables = {
        "ACTORS": "3",
        "ARGS": f"{ENDLESS} --set checkpoint.interval_s=5 --set actor.reconnect_max_ms=200",
    }
    with Project(NAME, **variables) as project:
        project.up()
        addresses_are_printed(project)
        nothing_can_be_written_but_to_volumes(project)
        three_actors_solve_it(project)
        five_actors_are_picked_up(project)
        one_is_killed_and_one_paused(project)
        kept = stop_leaves_a_checkpoint(project)
        up_goes_on_from_there(project, kept)
        a_finished_run_stays_finished(project)


@pytest.mark.parametrize("target", ["actor", "actor-gymnasium"])
def test_gymnasium_environments_run_in_an_actors_image(target):
    variables = {"ACTOR_TARGET": target, "PRESET": "pong", "ACTORS": "1", "ARGS": "--steps 3000"}
    with Project(NAME, **variables) as project:
        project.up()
        wait_until("the run's end", lambda: project.ended_well("learner") and project.ended_well("actor"))
        summary = project.read_run("pong-1", "summary.json")
        assert summary["env_steps"] >= 3000
        assert summary["frames"] == 4 * summary["env_steps"]
        assert summary["gradients"]["applied"] > 0
        assert {inspect(name)["Config"]["Image"] for name in project.containers("actor")} == {IMAGES[target]}


def test_an_image_without_python_has_the_environments_that_are_native():
    with Project(NAME, ACTOR_TARGET="actor-native", ARGS="--steps 300000") as project:
        project.up()
        wait_until("the run's end", lambda: project.ended_well("learner") and project.ended_well("actor"))
        assert project.read_run("cartpole-1", "summary.json")["env_steps"] >= 300_000
        assert {inspect(name)["Config"]["Image"] for name in project.containers("actor")} == {IMAGES["actor-native"]}
    with Project(NAME, ACTOR_TARGET="actor-native", PRESET="pong") as project:
        project.up()
        wait_until("a refusal", lambda: "python3" in project.compose("logs", "--no-color", "actor"))


def test_a_cluster_asks_for_its_token(tmp_path):
    token = tmp_path / "token"
    token.write_text("open-sesame\n")
    # Containers read it as another user.
    token.chmod(0o644)
    variables = {
        "ACTORS": "1",
        "TOKEN_FILE": str(token),
        "GRPC_ADDRESS": "127.0.0.1",
        "GRPC_PORT": "0",
        "ARGS": ENDLESS,
    }
    files = ("docker-compose.yml", "deploy/docker/cluster.yml")
    with Project(NAME, files, token="open-sesame", **variables) as project:
        project.up()
        project.wait_for_status("a session", lambda status: len(status["sessions"]) == 1)
        project.wait_for_value('up{job="troop-learner"}', 1)
        stranger = ["docker", "run", "--rm", f"--network={NAME}_default", IMAGES["actor"], "--learner=http://learner:7700"]
        refused = subprocess.run(stranger, capture_output=True, text=True, timeout=LIMIT_S)
        assert refused.returncode != 0 and "token" in refused.stderr, refused
        project.token = None
        assert project.status() is None


def addresses_are_printed(project):
    lines = project.compose("logs", "--no-color", "learner").splitlines()
    printed = [line.split("|", 1)[-1].strip() for line in lines if "http://localhost" in line]
    assert [line.split()[0] for line in printed] == ["page", "Prometheus", "Grafana"], lines


def nothing_can_be_written_but_to_volumes(project):
    for service in SERVICES:
        for container in project.containers(service):
            assert inspect(container)["HostConfig"]["ReadonlyRootfs"], container
            for folder in ("/", "/etc", "/usr/local/bin", "/var/tmp", "/opt"):
                write = ["docker", "exec", "--user=0", container, "sh", "-c", f"echo >{folder}/written"]
                done = subprocess.run(write, capture_output=True, text=True)
                assert done.returncode != 0 and "Read-only file system" in done.stderr, (container, folder, done.stderr)


def three_actors_solve_it(project):
    project.wait_for_status("three sessions", lambda status: len(status["sessions"]) == 3)
    project.wait_for_status(
        "CartPole's threshold", lambda status: (status["progress"]["return_mean_100"] or 0) >= 475
    )
    project.wait_for_value('sum(up{job="troop-actor"})', 3)
    project.wait_for_value('up{job="troop-learner"}', 1)


def five_actors_are_picked_up(project):
    project.up("--scale=actor=5")
    project.variables["ACTORS"] = "5"
    project.wait_for_value("troop_learner_sessions", 5)
    project.wait_for_value('sum(up{job="troop-actor"})', 5)
    names = [session["worker"] for session in project.status()["sessions"]]
    assert len(set(names)) == 5, names


def one_is_killed_and_one_paused(project):
    killed, paused = project.containers("actor")[:2]
    began_at = project.status()["progress"]["env_steps"]
    # As a crash or the kernel does it: the process dies, and nobody asked the engine to stop it.
    execute("docker", "exec", "--detach", killed, "sh", "-c", "kill -KILL $(pidof troop-actor)")
    # A busy container does not always freeze at the first try.
    wait_until(f"{paused} to freeze", lambda: subprocess.run(["docker", "pause", paused]).returncode == 0)
    try:
        alert = 'ALERTS{alertname="TroopActorSilent",alertstate=~"pending|firing"}'
        wait_until("an alert for the paused actor", lambda: project.query(alert))
        project.wait_for_value('sum(up{job="troop-actor"})', 4)
        project.wait_for_status("four sessions", lambda status: len(status["sessions"]) == 4)
        project.wait_for_status("the run to go on", lambda status: status["progress"]["env_steps"] > began_at)
    finally:
        execute("docker", "unpause", paused)
    project.wait_for_value("troop_learner_sessions", 5)
    restarts = execute("docker", "inspect", "--format={{.RestartCount}}", killed)
    assert int(restarts) == 1


def stop_leaves_a_checkpoint(project):
    project.compose("stop")
    assert project.ended_well("learner") and project.ended_well("actor"), project.states("learner")
    state = project.read_run("cartpole-1", "checkpoints/*/state.json")
    assert state["epoch"] == 1
    return state["counters"]["env_steps"]


def up_goes_on_from_there(project, kept):
    assert kept > 0
    project.up()
    project.wait_for_status("five sessions", lambda status: len(status["sessions"]) == 5)
    status = project.status()
    assert status["epoch"] == 2
    assert status["progress"]["env_steps"] >= kept


def a_finished_run_stays_finished(project):
    """The learner is made anew for the changed variable; the actors find it again by themselves."""
    # Seconds of work for those that have found it, and `reconnect_max_ms` is far less.
    enough = project.status()["progress"]["env_steps"] + 5_000_000
    project.variables["ARGS"] = f"--steps {enough} --set checkpoint.interval_s=5 --set actor.reconnect_max_ms=200"
    # Alone: nothing is to wait for the health of a learner that may soon be done.
    project.compose("up", "--detach", "--no-build", "--no-deps", "learner")
    wait_until("the run's end", lambda: project.ended_well("learner") and project.ended_well("actor"))
    summary = project.read_run("cartpole-1", "summary.json")
    assert summary["env_steps"] >= enough
    assert summary["best_return_mean_100"] >= 475


def test_workers_with_roles_and_their_replay():
    """It is killed on the way, and begins again with what its journal holds."""
    variables = {"PRESET": "cartpole-ape-x", "ARGS": "--steps 300000", "ACTORS": "0", "REPLAY_ARGS": "--journal=/journal/1"}
    with Project(f"{NAME}-split", **variables) as project:
        project.up_split()
        project.wait_for_status("10 000 env steps", lambda status: status["progress"]["env_steps"] >= 10_000)
        project.compose("--profile=split", "kill", "replay")
        project.compose("--profile=split", "start", "replay")
        held = "holds again what its journal holds"
        wait_until("the journal's experience", lambda: held in project.compose("--profile=split", "logs", "replay"))
        for service in ("learner", "replay", "act", "train"):
            wait_until(f"{service} to end well", lambda service=service: project.ended_well(service))
        assert len(project.containers("act")) == 2
        summary = project.read_run("cartpole-ape-x-1", "summary.json")
        assert summary["env_steps"] >= 300_000
        assert summary["updates"] > 1_000
