"""What the studies share: a grid of `troop train` commands, run and kept.

A study can be stopped at any time and started again: runs that have ended are not run again, one that was cut off is
run from its start, so that its times are those of one piece. Standard library only.
"""

import argparse
import itertools
import json
import shutil
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Run:
    """One command of a study; `name` is its directory's."""

    name: str
    experiment: str
    seed: int
    workers: int | None = None
    settings: list[str] = field(default_factory=list)

    def command(self, troop: Path, directory: Path) -> list[str]:
        """The command line."""
        words = [troop, "train", self.experiment, "--seed", self.seed, "--run-dir", directory]
        words += ["--http", "127.0.0.1:0"]  # whatever else listens on this machine
        if self.workers is not None:
            words += ["--workers", self.workers]
        words += [word for setting in self.settings for word in ("--set", setting)]
        return [str(word) for word in words]


def parser(description: str, folder: str) -> argparse.ArgumentParser:
    """The options that every study has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--troop", type=Path, default=CHECKOUT / "target/release/troop")
    made.add_argument("--runs", type=Path, default=CHECKOUT / folder, help=f"where runs are kept [{folder}]")
    return made


def plain_name(experiment: str) -> str:
    """`mine` of `experiments/mine.toml`, a preset's name as it is."""
    return experiment.rsplit("/", maxsplit=1)[-1].removesuffix(".toml")


def summary(directory: Path) -> dict | None:
    """What came of a run; nothing where it has not ended."""
    path = directory / "summary.json"
    if not path.exists():
        return None
    read = json.loads(path.read_text())
    return read if read["finished"] else None


def run_all(arguments: argparse.Namespace, runs: list[Run], threads: int = 1) -> list[dict]:
    """Runs what has not been run, and gives all summaries in order.

    Runs of as many workers go on side by side while all of them together have no more than `threads`.
    """
    numbered = [(run, f"{number}/{len(runs)}") for number, run in enumerate(runs, 1)]
    summaries = []
    for workers, group in itertools.groupby(numbered, key=lambda it: it[0].workers):
        with ThreadPoolExecutor(max(1, threads // (workers or threads))) as at_once:
            summaries += at_once.map(lambda it: run_once(arguments, *it), group)
    return summaries


def run_once(arguments: argparse.Namespace, run: Run, number: str) -> dict:
    """The summary of one run, which is made where it is not there."""
    directory = arguments.runs / run.name
    done = summary(directory)
    if done is None:
        if (directory / "experiment.toml").exists():
            shutil.rmtree(directory)
        result = subprocess.run(run.command(arguments.troop, directory), capture_output=True, text=True, check=False)
        done = summary(directory)
        if result.returncode != 0 or done is None:
            sys.exit(f"{' '.join(run.command(arguments.troop, directory))}\n{result.stderr}")
        print(f"{number} {run.name}: {outcome(done)}", file=sys.stderr, flush=True)
    return done


def outcome(done: dict) -> str:
    """One run in a few words."""
    score = done["return_mean_100"]
    reached = f"threshold after {done['seconds_to_solve']:.1f} s, " if done["seconds_to_solve"] else ""
    return f"{reached}score {score if score is None else round(score, 1)} after {done['env_steps']} env steps"


def median(values: list[float | None]) -> float | None:
    """The median, where more than half of the values are there."""
    there = sorted(value for value in values if value is not None)
    return statistics.median(there) if len(there) * 2 > len(values) else None


def report(arguments: argparse.Namespace, kind: str, page: Path | None) -> None:
    """Makes the page of a study of all its runs; prints it where no file is named."""
    command = [arguments.troop, "report", arguments.runs, "--kind", kind]
    command += ["--output", page] if page else []
    subprocess.run([str(word) for word in command], check=True)
