"""Real processes for the tests: Troop's binaries and Prometheus, each on free ports of loopback."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

CHECKOUT = Path(__file__).resolve().parents[2]
# Only what hangs takes longer, on a busy machine too.
LIMIT_S = 120

Answer = TypeVar("Answer")


def poll(what: str, ask: Callable[[], Answer | None]) -> Answer:
    """Asks until there is an answer."""
    deadline = time.monotonic() + LIMIT_S
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"not within {LIMIT_S} s: {what}")


def executable(name: str) -> str:
    """One of Troop's binaries, as `make build` left it."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", CHECKOUT / "target"))
    path = CHECKOUT / target / "release" / name
    assert path.is_file(), f"no {path}: `make build` makes it"
    return str(path)


def system(name: str) -> str:
    """A program of the system."""
    path = shutil.which(name)
    assert path, f"no `{name}` in PATH: `make test` brings it"
    return path


class Process:
    """A process whose output goes into a file."""

    def __init__(self, directory: Path, name: str, *command: str) -> None:
        self.log = directory / f"{name}.log"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TROOP_")}
        with self.log.open("wb") as output:
            self._child = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def find(self, pattern: str) -> str:
        """Waits for a line in which `pattern` is found, and gives its first group."""

        def look() -> str | None:
            text = self.log.read_text(encoding="utf-8", errors="replace")
            if found := re.search(pattern, text):
                return found.group(1)
            assert self._child.poll() is None, f"ended without `{pattern}`:\n{text}"
            return None

        return poll(f"`{pattern}` in {self.log}", look)

    def pause(self) -> None:
        """Nothing of it runs any more; its sockets stay."""
        self._child.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it run again."""
        self._child.send_signal(signal.SIGCONT)

    def wait(self) -> int:
        """Waits for its end; gives the exit code."""
        return self._child.wait(LIMIT_S)

    def end(self) -> None:
        """Ends it, whatever it does."""
        self._child.kill()
        self._child.wait()
