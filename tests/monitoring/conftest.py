"""A learner with two actors that train for as long as the tests last, one whose run will end, and Prometheus."""

import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from processes import Process, executable
from prometheus import Prometheus

TOKEN = "for-the-tests"
# A scrape a second must find a core free: one that times out is lost.
UNHURRIED = "environment.step_sleep_us=5000"


@dataclass
class Cluster:
    """What runs; addresses are those of HTTP, and Prometheus' `instance`."""

    prometheus: Prometheus
    learner: Process
    learner_http: str
    actors: dict[str, Process]
    replay_http: str
    ending: Process
    ending_http: str
    ending_actor: Callable[[], Process]

    def metrics(self) -> set[str]:
        """The name of every series that is exported, read off the processes themselves."""
        names: set[str] = set()
        for address in (self.learner_http, *self.actors, self.replay_http):
            request = urllib.request.Request(f"http://{address}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
            with urllib.request.urlopen(request, timeout=30) as response:
                lines = response.read().decode().splitlines()
            names |= {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
        return names


@pytest.fixture(scope="session")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    """Starts all of it, and ends it."""
    directory: Path = tmp_path_factory.mktemp("cluster")
    token = directory / "token"
    token.write_text(TOKEN, encoding="utf-8")
    with ExitStack() as running:

        def start(name: str, *command: str) -> Process:
            process = Process(directory, name, *command)
            running.callback(process.end)
            return process

        def learner(name: str, steps: int, *more: str) -> tuple[Process, str, str]:
            options = f"--experiment cartpole --steps {steps} --run-dir {name} --listen 127.0.0.1:0 --http 127.0.0.1:0"
            settings = ["checkpoint.interval_s=1", f"security.token_file={token}", "telemetry.last_scrape_s=60", *more]
            sets = [word for setting in settings for word in ("--set", setting)]
            process = start(name, executable("troop-learner"), *options.split(), *sets)
            return process, process.find(r"gRPC  (\S+)"), process.find(r"HTTP  http://(\S+)")

        def actor(name: str, url: str) -> Process:
            options = f"--learner {url} --workers 1 --http 127.0.0.1:0 --token-file {token}"
            return start(name, executable("troop-actor"), *options.split())

        def replay() -> str:
            options = "--experiment cartpole --run lasting --http 127.0.0.1:0"
            return start("replay", executable("troop-replay"), *options.split()).find(r"HTTP  http://(\S+)")

        lasting, url, learner_http = learner("lasting", 10**12, UNHURRIED)
        ending, ending_url, ending_http = learner("ending", 2_000)
        actors = {process.find(r"HTTP  http://(\S+)"): process for process in (actor("one", url), actor("two", url))}
        replay_http = replay()
        targets = {"troop-learner": [learner_http, ending_http], "troop-actor": list(actors), "troop-replay": [replay_http]}
        prometheus = Prometheus(directory, targets, token)
        running.callback(prometheus.process.end)
        yield Cluster(
            prometheus,
            lasting,
            learner_http,
            actors,
            replay_http,
            ending,
            ending_http,
            lambda: actor("three", ending_url),
        )
