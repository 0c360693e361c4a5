"""Real learners, actors and dashboards, watched from outside. Everything waits for an event, with a limit."""

import json
import os
import re
import subprocess
import threading
import time
import urllib.request
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))

LIMIT_S = 60
"""Only what hangs takes longer."""


def wait_until(what, look, limit_s=LIMIT_S, pause_s=0.02):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + limit_s
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(pause_s)
    return answer


class Process:
    """A binary of the project; it is killed when its `with` ends."""

    def __init__(self, directory, line, env=()):
        program, *arguments = line.split()
        path = TARGET / "release" / program
        assert path.is_file(), f"no {path}: `make build` builds it"
        self.line = line
        self.lines = []
        self._changed = threading.Condition()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TROOP_")}
        environment |= {"TROOP__LEARNER__LISTEN": "127.0.0.1:0", "TROOP__LEARNER__HTTP": "127.0.0.1:0"} | dict(env)
        self.process = subprocess.Popen(
            [path, *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self.lines.append(None)
            self._changed.notify_all()

    def word_after(self, prefix):
        """The word after `prefix` in the first line that begins with it."""

        def found():
            lines = [line for line in self.lines if line and line.startswith(prefix)]
            return lines or (self.lines and self.lines[-1] is None)

        with self._changed:
            self._changed.wait_for(found, LIMIT_S)
            lines = [line for line in self.lines if line and line.startswith(prefix)]
        assert lines, f"{self.line} did not say `{prefix}`: {self.lines}"
        return re.split(r"\s+", lines[0].removeprefix(prefix).strip())[0]

    def wait(self):
        """Waits for its end with success."""
        code = self.process.wait(LIMIT_S)
        assert code == 0, f"{self.line} ended with {code}: {self.lines}"


class Learner(Process):
    """A learner whose run takes longer than a test, unless `steps` says otherwise."""

    def __init__(self, directory, run="run", steps=1_000_000_000, more="", resume=False, env=()):
        source = "--resume" if resume else "--experiment cartpole --seed 1"
        line = f"troop-learner {source} --steps {steps} --run-dir {run} {more}"
        super().__init__(directory, line, env)
        self.url = self.word_after("gRPC  ")
        self.page = self.word_after("page  ")

    def actor(self, directory, workers=1):
        """An actor with some workers that leave most of the machine to the browser."""
        return Process(directory, f"troop-actor --learner {self.url} --workers {workers}")

    def status(self):
        """`/api/status`."""
        with urllib.request.urlopen(f"{self.page}api/status", timeout=LIMIT_S) as answer:
            return json.load(answer)


SLOW = "--set actor.push_delay_ms=30"
"""Lets workers pause after each gradient, so that a test's browser has the machine."""

LONG = 4_000_000
"""Env steps that one `SLOW` worker needs eight minutes for, on any machine, with a point of the curve every few seconds."""
