#!/usr/bin/env python3
"""What workers cost: env steps/s and memory of a preset by the number of workers in one process, and of actors over gRPC.

Each is measured for ten seconds once it has trained for eight. Memory is that of all processes: resident, and
proportional, which counts what they share once. Nothing else should run. Linux, standard library only.

    scripts/worker_costs.py [cartpole pong] [--workers 1 2 4 8 16] [--actors 1 2 4]
"""

import argparse
import re
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from study import CHECKOUT

ENDLESS = ["--steps", "1000000000000", "--set", "experiment.solve_return=none"]


def main() -> None:
    """Measures and prints a Markdown table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("presets", nargs="*", default=["cartpole", "pong"])
    options.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    options.add_argument("--actors", type=int, nargs="*", default=[1, 2, 4])
    options.add_argument("--programs", type=Path, default=CHECKOUT / "target/release")
    arguments = options.parse_args()
    print("| preset | | env steps/s | resident, MB | proportional, MB |\n|---|---|---:|---:|---:|")
    for preset in arguments.presets:
        for count in arguments.workers:
            show(preset, f"{count} workers", in_one_process(arguments.programs, preset, count))
        for count in arguments.actors:
            show(preset, f"{count} actors", over_grpc(arguments.programs, preset, count))


def show(preset: str, what: str, found: tuple[float, float, float]) -> None:
    """A line of the table."""
    rate, resident, proportional = found
    print(f"| `{preset}` | {what} | {rate:,.0f} | {resident:.0f} | {proportional:.0f} |", flush=True)


def in_one_process(programs: Path, preset: str, workers: int) -> tuple[float, float, float]:
    """That of `troop train`."""
    http = free_address()
    with tempfile.TemporaryDirectory() as directory:
        command = [programs / "troop", "train", preset, "--run-dir", directory, "--http", http, *ENDLESS]
        return measure([[*command, "--workers", workers]], http)


def over_grpc(programs: Path, preset: str, actors: int) -> tuple[float, float, float]:
    """That of a learner with actors of one worker each."""
    http, listen = free_address(), free_address()
    with tempfile.TemporaryDirectory() as directory:
        learner = [programs / "troop-learner", "--experiment", preset, "--run-dir", directory]
        learner += ["--listen", listen, "--http", http, *ENDLESS]
        actor = [programs / "troop-actor", "--learner", f"http://{listen}", "--workers", 1]
        return measure([learner] + [actor] * actors, http)


def measure(commands: list[list], http: str) -> tuple[float, float, float]:
    """Env steps/s, and resident and proportional MB, of these programs together."""
    started = [
        subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        while not env_steps(http):
            if started[0].poll() is not None:
                raise SystemExit(f"{commands[0]} has ended")
            time.sleep(0.2)
        time.sleep(8)
        before, began = env_steps(http), time.monotonic()
        time.sleep(10)
        rate = (env_steps(http) - before) / (time.monotonic() - began)
        processes = [process for root in started for process in tree(root.pid)]
        return rate, megabytes(processes, "Rss"), megabytes(processes, "Pss")
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait()


def env_steps(http: str) -> float:
    """What the learner has counted; 0 while it is not there."""
    try:
        with urllib.request.urlopen(f"http://{http}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return 0
    found = re.search(r"^troop_learner_env_steps_total (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else 0


def tree(root: int) -> list[int]:
    """A process and all that it has started."""
    children = Path(f"/proc/{root}/task").glob("*/children")
    return [root] + [found for listed in children for child in listed.read_text().split() for found in tree(int(child))]


def megabytes(processes: list[int], kind: str) -> float:
    """Their memory of one kind, together."""
    texts = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in processes]
    return sum(int(re.search(rf"^{kind}:\s+(\d+)", text, re.MULTILINE)[1]) for text in texts) / 1000


def free_address() -> str:
    """A port of this machine that nobody has."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{found.getsockname()[1]}"


if __name__ == "__main__":
    main()
