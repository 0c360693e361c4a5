"""Draws the learning curves of runs, from their events.jsonl, as one SVG.

    .venv/bin/pip install matplotlib
    .venv/bin/python scripts/plot_runs.py docs/results/pong.svg runs/pong-*
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "troop"
from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first


def curve(run: Path) -> tuple[list[float], list[float], list[float]]:
    """Minutes, millions of env steps, and the mean return of 100 episodes."""
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    points = [event for event in events if event["return_mean_100"] is not None]
    return (
        [event["wall_seconds"] / 60 for event in points],
        [event["env_steps"] / 1e6 for event in points],
        [event["return_mean_100"] for event in points],
    )


def main() -> None:
    """Draws all runs over env steps and over time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("picture", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    arguments = parser.parse_args()
    figure, (by_steps, by_time) = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    for run in arguments.runs:
        minutes, millions, returns = curve(run)
        by_steps.plot(millions, returns, linewidth=1, label=run.name)
        by_time.plot(minutes, returns, linewidth=1)
    by_steps.set(xlabel="env steps (millions)", ylabel="mean return of 100 episodes")
    by_time.set(xlabel="minutes")
    for axes in (by_steps, by_time):
        axes.grid(alpha=0.3)
    if len(arguments.runs) <= 10:
        by_steps.legend(fontsize="small")
    figure.savefig(arguments.picture, metadata={"Date": None})


if __name__ == "__main__":
    main()
