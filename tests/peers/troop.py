"""Measures Troop as the peers are measured: `troop bench ingest`, each gradient answered with all weights."""

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

START_AND_STOP_S = 180


class Variant(NamedTuple):
    """How gradients and weights travel."""

    encoding: str
    socket: str

    def __str__(self) -> str:
        return f"Troop, {self.encoding}, {self.socket}"


VARIANTS = [Variant(encoding, socket) for encoding in ("f32", "bf16") for socket in ("TCP", "Unix socket")]


def measure(troop: Path, variant: Variant, params: int, in_flight: int, seconds: float, workers: int) -> dict:
    """One run, with what plain sockets carried in it; ends this program where it fails."""
    command = [str(troop), "bench", "ingest", "--publish-every", "1", "--json", "--params", str(params)]
    command += ["--in-flight", str(in_flight), "--seconds", str(seconds), "--actors", str(workers)]
    command += ["--encoding", variant.encoding]
    if variant.socket != "TCP":
        command.append("--unix")
    timeout = 2 * seconds + START_AND_STOP_S
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=timeout)
    if result.returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed with status {result.returncode}; its message is above")
    return run_of(json.loads(result.stdout), variant)


def run_of(report: dict, variant: Variant) -> dict:
    """A report in the form that all peers have; ends this program where the learner lost gradients."""
    settings, learner = report["settings"], report["learner"]
    if learner["gradients_lost"] or learner["gradients_rejected"]:
        sys.exit(f"{variant}: not every gradient was applied: {learner}")
    return {
        "peer": str(variant),
        "params": settings["params"],
        "workers": settings["actors"],
        "in_flight": settings["in_flight"],
        "seconds": settings["seconds"],
        "gradients_per_second": learner["gradients_per_second"],
        "weights_received_per_gradient": learner["weights_received_per_gradient"],
        "raw_socket_messages_per_second": report["raw_socket"]["messages_per_second"],
    }
