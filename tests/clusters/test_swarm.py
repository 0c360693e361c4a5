"""deploy/swarm/troop.yml on a swarm of this machine alone: scale, updates, the run's end."""

import json
import os
import re
import urllib.error
import urllib.request

import pytest

from machine import CHECKOUT, IMAGES, TAG, execute, need, need_answer, wait_until

need("Swarm", "docker")
need_answer("Swarm", "docker", "version")

STACK = f"troop-test-{os.getpid()}"
FILE = CHECKOUT / "deploy/swarm/troop.yml"
TOKEN = "for-the-tests"
ENDLESS = 10**12
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def state():
    return execute("docker", "info", "--format={{.Swarm.LocalNodeState}}").strip()


@pytest.fixture(scope="module")
def swarm(tmp_path_factory):
    """A swarm with the one node that this machine is, on loopback, with the token and the label that the stack needs."""
    if state() != "inactive":
        pytest.skip(f"Swarm: expected a Docker engine that is in no swarm, found one that is {state()}")
    execute("docker", "swarm", "init", "--advertise-addr=127.0.0.1", "--listen-addr=127.0.0.1:0")
    try:
        token = tmp_path_factory.mktemp("swarm") / "token"
        token.write_text(TOKEN, encoding="utf-8")
        execute("docker", "secret", "create", "troop-token", token)
        node = execute("docker", "node", "ls", "--quiet").strip()
        execute("docker", "node", "update", "--label-add=troop=learner", node)
        yield
    finally:
        execute("docker", "swarm", "leave", "--force")


class Stack:
    """The stack file as people deploy it. Nothing of it is left when its `with` ends."""

    def __init__(self, steps=ENDLESS, **variables):
        self.variables = {"ACTORS": "2", "TROOP_TAG": TAG} | variables
        self.deploy(steps)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in ("learner", "actor"):
            print(execute("docker", "service", "ps", "--no-trunc", f"{STACK}_{service}"))
        # Shown if the test fails.
        print(execute("sh", "-c", f"docker service logs --tail 50 {STACK}_learner 2>&1"))
        execute("docker", "stack", "rm", STACK)
        label = f"label=com.docker.stack.namespace={STACK}"
        gone = lambda: not execute("docker", "ps", "--all", "--quiet", f"--filter={label}").strip()  # noqa: E731
        wait_until("the stack's end", gone)
        execute("docker", "volume", "rm", f"{STACK}_runs")

    def deploy(self, steps, **variables):
        self.variables |= variables | {
            "ARGS": f"--steps {steps} --set checkpoint.interval_s=5 --set actor.reconnect_max_ms=200"
        }
        # Any free port of this machine.
        env = os.environ | {"TROOP_PORT": "0"} | self.variables
        # The images are this machine's; no registry is asked for them.
        execute("docker", "stack", "deploy", "--resolve-image=never", f"--compose-file={FILE}", STACK, env=env)

    def tasks(self, service, desired="running"):
        """Tasks that are to be in a state, each by its id: what state each is in."""
        listed = ["docker", "service", "ps", "--no-trunc", f"--filter=desired-state={desired}"]
        lines = execute(*listed, "--format={{.ID}} {{.CurrentState}}", f"{STACK}_{service}").splitlines()
        return {line.split()[0]: line.split()[1] for line in lines}

    def code(self, task):
        """The exit code of a task's container."""
        container = json.loads(execute("docker", "inspect", task))[0]["Status"]["ContainerStatus"]
        return container["ExitCode"] if "ExitCode" in container else 0

    def status(self):
        """The learner's `/api/status`; none while it does not answer."""
        name = f"--filter=name={STACK}_learner"
        # As `0.0.0.0:49153->7780/tcp`; one that has just ended is there without.
        published = re.findall(r"0\.0\.0\.0:(\d+)->7780", execute("docker", "ps", "--format={{.Ports}}", name))
        if len(published) != 1:
            return None
        request = urllib.request.Request(f"http://127.0.0.1:{published[0]}/api/status", headers={"Authorization": f"Bearer {TOKEN}"})
        try:
            with DIRECTLY.open(request, timeout=5) as answer:
                return json.loads(answer.read())
        except (OSError, urllib.error.URLError):
            return None

    def wait_for(self, what, look):
        """Waits for a status in which `look` finds something, and gives that status."""
        return wait_until(what, lambda: (status := self.status()) and look(status) and status)


def sessions(status):
    return len(status["sessions"])


def env_steps(status):
    return status["progress"]["env_steps"]


def test_a_stack_scales_is_updated_and_ends_with_its_run(swarm):
    with Stack() as stack:
        stack.wait_for("two sessions", lambda status: sessions(status) == 2)
        stack.wait_for("CartPole's threshold", lambda status: (status["progress"]["return_mean_100"] or 0) >= 475)
        actors_are_scaled(stack)
        an_update_of_actors_costs_no_gradient(stack)
        an_update_of_the_learner_loses_nothing(stack)
        a_finished_run_stays_finished(stack)


def actors_are_scaled(stack):
    execute("docker", "service", "scale", "--detach", f"{STACK}_actor=4")
    stack.variables["ACTORS"] = "4"
    stack.wait_for("four sessions", lambda status: sessions(status) == 4)


def an_update_of_actors_costs_no_gradient(stack):
    """The new ones come before the old ones go, and those send what they have."""
    old = set(stack.tasks("actor"))
    began = stack.status()
    stack.deploy(ENDLESS, ACTOR_MEMORY="1g")
    replaced = lambda: len(now := set(stack.tasks("actor"))) == 4 and not now & old  # noqa: E731
    wait_until("four other tasks", replaced)
    wait_until("the old ones to end", lambda: set(stack.tasks("actor", "shutdown").values()) <= {"Shutdown", "Complete"})
    assert [stack.code(task) for task in old] == [0, 0, 0, 0]
    ended = stack.wait_for("four sessions", lambda status: sessions(status) == 4)
    assert ended["epoch"] == 1 and env_steps(ended) > env_steps(began)
    assert not set(ended["progress"]["rejected"]) & {"malformed", "non_finite"}


def an_update_of_the_learner_loses_nothing(stack):
    """Its successor begins with what it had applied last."""
    old, actors = stack.tasks("learner"), stack.tasks("actor")
    began = stack.wait_for("four sessions", lambda status: sessions(status) == 4)
    stack.deploy(ENDLESS, LEARNER_MEMORY="1g")
    after = stack.wait_for("the next life", lambda status: status["epoch"] == 2 and sessions(status) == 4)
    assert [stack.code(task) for task in old] == [0]
    assert env_steps(after) >= env_steps(began)
    logs = execute("sh", "-c", f"docker service logs --raw {STACK}_learner 2>&1")
    (ended,) = [line for line in logs.splitlines() if "learner ends" in line]
    (again,) = [line for line in logs.splitlines() if "learner ready" in line and "epoch=2" in line]
    assert field(again, "version") == field(ended, "updates") > 0
    assert stack.tasks("actor").keys() == actors.keys(), "actors wait for it"


def field(line, name):
    """A number of a log line."""
    return int(line.split(f" {name}=")[1].split()[0])


def a_finished_run_stays_finished(stack):
    stack.deploy(env_steps(stack.status()) + 5_000_000)
    over = lambda: set(stack.tasks("learner", "shutdown").values()) <= {"Complete", "Shutdown"}  # noqa: E731
    wait_until("the run's end", lambda: not stack.tasks("learner") and not stack.tasks("actor") and over())


def test_the_images_are_there():
    """Else the stack would wait for them."""
    for image in IMAGES:
        execute("docker", "image", "inspect", image)
