"""What this machine has for the tests, and how they run commands on it."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LIMIT_S = 180
"""Only what hangs takes longer."""
TAG = os.environ.get("TROOP_TAG", "clusters-test")
"""Of the images that run.sh builds."""
IMAGES = [f"troop-{name}:{TAG}" for name in ("learner", "actor", "replay")]
BINARIES = Path(os.environ.get("BINARIES", Path(os.environ.get("CARGO_TARGET_DIR", "target"), "release")))


def need(engine, *programs):
    """Leaves a module out if a program that it needs is missing, and says which."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"{engine}: expected {', '.join(missing)} in PATH, found none", allow_module_level=True)


def need_answer(engine, *command):
    """Leaves a module out if what a command asks does not answer, and says so."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode:
        why = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        pytest.skip(f"{engine}: expected `{' '.join(command)}` to answer, found {why}", allow_module_level=True)


def execute(*command, env=None, stdin=None, limit_s=LIMIT_S):
    """What a command writes to standard output; fails with all that it wrote if it fails."""
    given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
    done = subprocess.run(
        [str(word) for word in command], cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=limit_s, **given
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


def wait_until(what, look, limit_s=LIMIT_S):
    """Asks until the answer is true, and gives it."""
    deadline = time.monotonic() + limit_s
    while not (answer := look()):
        assert time.monotonic() < deadline, f"not within {limit_s} s: {what}"
        time.sleep(0.2)
    return answer
