"""Measures every peer, and Troop, at every size, one at a time, and prints a Markdown table of medians."""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import troop

HERE = Path(__file__).resolve().parent
SCRIPTS = ["torch_rpc.py", "ray_actor.py"]
SIZES = [10_000, 680_000, 1_700_000, 10_000_000]
START_AND_STOP_S = 180

Row = tuple[str, int]  # peer, gradients in flight


def measure(script: str, params: int, in_flight: int, seconds: float, workers: int) -> dict:
    """One run of one script; ends this program where it fails."""
    command = [sys.executable, str(HERE / script), "--json", "--params", str(params), "--in-flight", str(in_flight)]
    command += ["--seconds", str(seconds), "--workers", str(workers)]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=seconds + START_AND_STOP_S)
    if result.returncode != 0:
        sys.exit(f"`{' '.join(command)}` failed with status {result.returncode}; its message is above")
    return json.loads(result.stdout.splitlines()[-1])


def measure_all(options: argparse.Namespace) -> Iterator[dict]:
    """Every run. Repetitions are the outer loop: a slow minute of the machine touches all peers alike."""
    for _ in range(options.repetitions):
        for params, in_flight in itertools.product(options.sizes, (1, 2)):
            for script in SCRIPTS:
                yield measure(script, params, in_flight, options.seconds, options.workers)
            for variant in troop.VARIANTS if options.troop else []:
                yield troop.measure(options.troop, variant, params, in_flight, options.seconds, options.workers)


def medians(runs: list[dict]) -> dict[Row, dict[int, float]]:
    """The median rate of each row of the table, by size."""
    rates: dict[Row, dict[int, list[float]]] = {}
    for run in runs:
        row = rates.setdefault((run["peer"], run["in_flight"]), {})
        row.setdefault(run["params"], []).append(run["gradients_per_second"])
    return {row: {size: statistics.median(found) for size, found in sizes.items()} for row, sizes in rates.items()}


def markdown(table: dict[Row, dict[int, float]], sizes: list[int]) -> str:
    """The table, in gradients/s of all workers together."""
    lines = ["| gradients/s | in flight | " + " | ".join(f"{size:,} floats" for size in sizes) + " |"]
    lines.append("|---|---:|" + "---:|" * len(sizes))
    for (peer, in_flight), rates in table.items():
        lines.append(f"| {peer} | {in_flight} | " + " | ".join(f"{rates[size]:,.1f}" for size in sizes) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3, help="runs of each kind (default 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each run measures (default 5)")
    parser.add_argument("--workers", type=int, default=2, help="worker processes (default 2)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="floats in the model")
    parser.add_argument("--troop", type=Path, help="the `troop` binary, to be measured as well")
    parser.add_argument("--json", type=Path, help="a file to write every run to")
    options = parser.parse_args()
    runs = []
    for run in measure_all(options):
        runs.append(run)
        if options.json:
            options.json.write_text(json.dumps(runs, indent=1) + "\n")
    print(markdown(medians(runs), options.sizes))


if __name__ == "__main__":
    main()
