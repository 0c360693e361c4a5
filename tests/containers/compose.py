"""The shipped Dockerfile and docker-compose.yml, used as people use them, and watched from outside."""

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]

LIMIT_S = 120
"""Only what hangs takes longer."""

# Grafana's image has no stand-in.
SERVICES = ("learner", "actor", "prometheus")

BASE = os.environ.get("DEBIAN_IMAGE", "debian:bookworm-slim")
"""What the images are built on: run.sh says so."""
ACTORS = ("actor", "actor-gymnasium", "actor-native")
IMAGES = {name: f"troop-{name}:{os.environ.get('TROOP_TAG', 'latest')}" for name in ("learner", "replay", *ACTORS)}

# Any free port of loopback.
PORTS = {"TROOP_PORT": "0", "PROMETHEUS_PORT": "0", "GRAFANA_PORT": "0"}


def compose_command():
    """Compose v1 or v2, whichever is there."""
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    return ["docker", "compose"]


def execute(*command, env=None, limit_s=LIMIT_S):
    """What a command writes to standard output; fails with all that it wrote where it fails."""
    done = subprocess.run(
        command, cwd=CHECKOUT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=limit_s
    )
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def inspect(name):
    """What the engine knows of a container or an image."""
    return json.loads(execute("docker", "inspect", name))[0]


def wait_until(what, look, limit_s=LIMIT_S):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + limit_s
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.2)
    return answer


class Project:
    """A project of docker-compose.yml, in a namespace of its own. Nothing of it is left when its `with` ends."""

    def __init__(self, name, files=("docker-compose.yml",), token=None, **variables):
        self.name = name
        self.files = [f"--file={file}" for file in files]
        self.token = token
        self.variables = variables

    def __enter__(self):
        return self

    def __exit__(self, failure, *_):
        if failure:
            print(self.compose("logs", "--no-color", "--tail=50"))
        self.compose("--profile=split", "down", "--volumes", "--timeout=5")

    def compose(self, *arguments):
        own = {name: value for name, value in os.environ.items() if name != "ARGS"}
        env = own | PORTS | {"COMPOSE_PROJECT_NAME": self.name} | self.variables
        return execute(*compose_command(), *self.files, *arguments, env=env)

    def up(self, *options):
        """`docker-compose up`, without Grafana."""
        self.compose("up", "--detach", "--no-build", *options, *SERVICES)

    def up_split(self):
        """The same with a replay, and workers that act or train in place of those that do both."""
        self.compose("--profile=split", "up", "--detach", "--no-build", "learner", "replay", "act", "train", "prometheus")

    def containers(self, service):
        """Their names, those that have ended too."""
        labels = (f"com.docker.compose.project={self.name}", f"com.docker.compose.service={service}")
        filters = [f"--filter=label={label}" for label in labels]
        return sorted(execute("docker", "ps", "--all", "--format={{.Names}}", *filters).split())

    def states(self, service):
        return [inspect(name)["State"] for name in self.containers(service)]

    def ended_well(self, service):
        """Whether every container of a service has ended with code 0 and is left alone."""
        return all(state["Status"] == "exited" and state["ExitCode"] == 0 for state in self.states(service))

    def get(self, service, port, path):
        """What a published port answers; none while it does not."""
        (container,) = self.containers(service)
        published = execute("docker", "port", container, str(port)).split()[0]
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"http://{published}{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return None

    def status(self):
        """The learner's `/api/status`; none while it does not answer."""
        answer = self.get("learner", 7780, "/api/status")
        return answer and json.loads(answer)

    def wait_for_status(self, what, look, limit_s=LIMIT_S):
        """Waits for a status in which `look` finds something, and gives that."""
        return wait_until(what, lambda: (status := self.status()) and look(status), limit_s)

    def query(self, expression):
        """The samples of an instant query: labels and value of each."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        answer = self.get("prometheus", 9090, path)
        samples = json.loads(answer)["data"]["result"] if answer else []
        return [(sample["metric"], float(sample["value"][1])) for sample in samples]

    def wait_for_value(self, expression, expected):
        """Waits until Prometheus gives this one value."""
        wait_until(
            f"{expression} == {expected}",
            lambda: [value for _, value in self.query(expression)] == [expected],
        )

    def read_run(self, run, file):
        """JSON below a run's directory; the learner may have ended. Of several files the last in alphabetical order."""
        command = f'cat "$(ls /runs/{run}/{file} | tail -n 1)"'
        volume = f"--volume={self.name}_runs:/runs:ro"
        return json.loads(execute("docker", "run", "--rm", volume, BASE, "sh", "-c", command))
