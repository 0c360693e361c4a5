"""The host as an actor sees it: a process with two pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from troop_gym_host.protocol import PROTOCOL

PACKAGE = Path(__file__).parents[1]

PRINTER = """
import sys, gymnasium, numpy as np
class Printer(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9, 9, (1,))
    action_space = gymnasium.spaces.Discrete(3)
    def reset(self, **_):
        print("reset"); assert sys.stdin.read() == ""
        return np.zeros(1, np.float32), {}
    def step(self, action):
        print("step", action)
        if action == 1: raise ValueError("as asked")
        if action == 2: import time; time.sleep(3600)
        return np.ones(1, np.float32), 2.0, False, False, {}
gymnasium.register("Printer-v0", Printer)
"""


class Host:
    """Speaks the protocol from the actor's side."""

    def __init__(self, tmp_path: Path) -> None:
        self._file = tmp_path / "memory"
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE)}
        command = [sys.executable, "-m", "troop_gym_host"]
        pipe = subprocess.PIPE
        streams = {"stdin": pipe, "stdout": pipe, "stderr": pipe}
        # In a group of its own, as under an actor: a host may end its whole group.
        self.process = subprocess.Popen(command, **streams, env=environment, cwd=tmp_path, start_new_session=True)

    def ask(self, message: dict[str, Any]) -> dict[str, Any]:
        return self.tell(json.dumps(message).encode() + b"\n") or json.loads(self.process.stdout.readline())

    def tell(self, data: bytes) -> None:
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def start(self, id: str, imports: list[str]) -> dict[str, Any]:
        atari = {"frame_skip": 4}
        return self.ask({"protocol": PROTOCOL, "id": id, "count": 1, "kwargs": {}, "wrappers": [], "imports": imports, "atari": atari})

    def share(self, arrays: dict[str, int]) -> dict[str, np.ndarray]:
        self._file.write_bytes(bytes(64 * len(arrays)))
        offsets = {name: 64 * index for index, name in enumerate(arrays)}
        assert self.ask({"path": str(self._file), "offsets": offsets}) == {"protocol": PROTOCOL}
        floats = dict.fromkeys(["observations", "final_observations", "rewards"], np.float32)
        types = {"actions": np.int64, **floats}
        memory = np.memmap(self._file, np.uint8, "r+")
        return {
            name: memory[offsets[name] : offsets[name] + size].view(types.get(name, np.uint8))
            for name, size in arrays.items()
        }


def test_a_life(tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text(PRINTER)
    host = Host(tmp_path)
    offer = host.start("Printer-v0", ["printer"])
    assert offer["observation"] == {"shape": [1], "element": "f32"}
    assert offer["action"] == {"kind": "discrete", "n": 3}
    assert offer["frame_skip"] == 1
    arrays = host.share(offer["arrays"])

    host.tell(b"R" + (2**64 - 1).to_bytes(8, "little"))
    assert host.process.stdout.read(1) == b"k"
    host.tell(b"S")
    assert host.process.stdout.read(1) == b"k"
    assert arrays["observations"].tolist() == [1.0]
    assert arrays["rewards"].tolist() == [2.0]
    arrays["actions"][0] = 1
    host.tell(b"S")
    assert host.process.stdout.read(1) == b"e"
    failure = json.loads(host.process.stdout.readline())
    assert failure["error"] == "ValueError: as asked"
    assert "Traceback" in failure["traceback"]
    rest, printed = host.process.communicate(timeout=30)
    assert rest == b""
    assert b"step 1" in printed
    assert host.process.returncode == 1


def test_closing_and_the_end_of_the_actor_end_it(tmp_path: Path) -> None:
    for farewell in (b"C", b""):
        host = Host(tmp_path)
        host.share(host.start("CartPole-v1", [])["arrays"])
        rest, _ = host.process.communicate(farewell, timeout=30)
        assert (rest, host.process.returncode) == (b"", 0)


def test_the_end_of_the_actor_ends_a_step_that_never_ends(tmp_path: Path) -> None:
    (tmp_path / "printer.py").write_text(PRINTER)
    host = Host(tmp_path)
    arrays = host.share(host.start("Printer-v0", ["printer"])["arrays"])
    arrays["actions"][0] = 2
    host.tell(b"R" + bytes(8) + b"S")
    assert host.process.stdout.read(1) == b"k"
    host.process.communicate(timeout=30)
    assert host.process.returncode == -signal.SIGKILL


def test_a_failure_to_start_is_told(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert "no such environment" in host.start("NoSuchThing-v0", [])["error"]
    host.process.communicate(timeout=30)


def test_another_protocol_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path)
    answer = host.ask({"protocol": 99})
    assert answer["error"] == f"this host speaks protocol {PROTOCOL}, the actor 99"
    host.process.communicate(timeout=30)
