#!/usr/bin/env python3
"""How each policy for stale gradients learns CartPole when actors are slow.

Each worker's gradient leaves after a delay drawn from an exponential distribution, so that two
cores carry many workers; W workers make a mean staleness of about W - 1. Prints a Markdown table:
medians over the seeds, and how many of them solved the task.

    scripts/staleness_study.py [--seeds 5] [--delay-ms 10] [--workers 3 9 33] [--json FILE]
"""

import argparse
import itertools
import json
import statistics
import subprocess
import tempfile
from pathlib import Path

POLICIES = {
    "accept": [],
    "drop": ["learner.max_staleness_updates=8"],
    "scale": [],
    "compensate": ["learner.compensation_history=256"],
    "bound": ["learner.bound_updates=1"],
    "synchronous": [],
}
CHECKOUT = Path(__file__).resolve().parent.parent


def train(troop: Path, policy: str, workers: int, delay_ms: int, seed: int) -> dict:
    """The summary of one run, which ends when the task is solved or its steps are done."""
    settings = [
        "experiment.stop_when_solved=true",
        f"actor.push_delay_ms={delay_ms}",
        f'learner.staleness="{policy}"',
        *POLICIES[policy],
    ]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [troop, "train", "cartpole", "--workers", workers, "--seed", seed]
        command += ["--run-dir", run]
        command += [part for setting in settings for part in ("--set", setting)]
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        return json.loads((run / "summary.json").read_text())


def median(values: list[float | None]) -> float | None:
    """The median, where more than half of the values are there."""
    there = sorted(value for value in values if value is not None)
    return statistics.median(there) if len(there) * 2 > len(values) else None


def row(policy: str, workers: int, runs: list[dict]) -> dict:
    """What the runs of one policy and one number of workers show."""
    solved = [run for run in runs if run["seconds_to_solve"] is not None]
    rejected = [sum(run["gradients"]["rejected"].values()) for run in runs]
    applied = [run["gradients"]["applied"] for run in runs]
    return {
        "policy": policy,
        "workers": workers,
        "staleness": statistics.mean(run["staleness_updates"]["mean"] for run in runs),
        "solved": len(solved),
        "seeds": len(runs),
        "seconds": median([run["seconds_to_solve"] for run in runs]),
        "env_steps": median([run["env_steps"] if run in solved else None for run in runs]),
        "rejected": sum(rejected) / max(sum(applied) + sum(rejected), 1),
    }


def markdown(rows: list[dict]) -> str:
    """The rows as a table."""
    lines = [
        "| policy | workers | mean staleness | solved | seconds to solve | env steps to solve | rejected |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        seconds = "–" if row["seconds"] is None else f"{row['seconds']:.1f}"
        steps = "–" if row["env_steps"] is None else f"{row['env_steps'] / 1000:.0f} k"
        lines.append(
            f"| `{row['policy']}` | {row['workers']} | {row['staleness']:.1f} "
            f"| {row['solved']} of {row['seeds']} | {seconds} | {steps} | {row['rejected']:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs everything and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--troop", type=Path, default=CHECKOUT / "target/release/troop")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--delay-ms", type=int, default=10)
    parser.add_argument("--workers", type=int, nargs="+", default=[3, 9, 33])
    parser.add_argument("--json", type=Path, help="also write the rows there")
    args = parser.parse_args()
    rows = []
    for workers, policy in itertools.product(args.workers, POLICIES):
        seeds = range(1, args.seeds + 1)
        runs = [train(args.troop, policy, workers, args.delay_ms, seed) for seed in seeds]
        rows.append(row(policy, workers, runs))
        print(markdown(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + markdown(rows))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
