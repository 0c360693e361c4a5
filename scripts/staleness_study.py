#!/usr/bin/env python3
"""How each policy for stale gradients learns CartPole when actors are slow.

Each worker's gradient leaves after a delay drawn from an exponential distribution, so that two
cores carry many workers; W workers make a mean staleness of about W - 1. Prints a Markdown table:
medians over the seeds, and how many of them solved the task. Runs go into runs/staleness; it can be
stopped and started again.

    scripts/staleness_study.py [--seeds 5] [--delay-ms 10] [--workers 3 9 33] [--json FILE]
"""

import itertools
import json
import statistics
from pathlib import Path

from study import Run, median, parser, run_all

POLICIES = {
    "accept": [],
    "drop": ["learner.max_staleness_updates=8"],
    "scale": [],
    "compensate": ["learner.compensation_history=256", "learner.compensation_form=adaptive"],
    "bound": ["learner.bound_updates=1"],
    "synchronous": [],
}


def run(policy: str, workers: int, delay_ms: int, seed: int) -> Run:
    """One run, which ends when the task is solved or its steps are done."""
    settings = [
        "experiment.stop_when_solved=true",
        f"actor.push_delay_ms={delay_ms}",
        f'learner.staleness="{policy}"',
        *POLICIES[policy],
    ]
    return Run(f"{policy}-{workers}-{delay_ms}-{seed}", "cartpole", seed, workers, settings)


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
    options = parser(__doc__.splitlines()[0], "runs/staleness")
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--delay-ms", type=int, default=10)
    options.add_argument("--workers", type=int, nargs="+", default=[3, 9, 33])
    options.add_argument("--json", type=Path, help="also write the rows there")
    arguments = options.parse_args()
    rows = []
    for workers, policy in itertools.product(arguments.workers, POLICIES):
        seeds = range(1, arguments.seeds + 1)
        runs = [run(policy, workers, arguments.delay_ms, seed) for seed in seeds]
        rows.append(row(policy, workers, run_all(arguments, runs)))
        print(markdown(rows[-1:]).splitlines()[-1], flush=True)
    print("\n" + markdown(rows))
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
