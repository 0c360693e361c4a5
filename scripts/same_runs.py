"""Whether two checkouts train the same: each preset from both, with one worker and one seed, compared byte for byte.

A redesign must not change a run. `--before` and `--after` name a `troop` binary each; every preset (or those that are
named) is trained with both for a number of env steps, and the last checkpoint's tensors, counters and the summary are
compared, times and versions of the software aside. Ends with 1 if any run differs, and says in what.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

# What says how long something took. `_seconds` and `_per_second` are left out too.
TIMES = {"seconds_to_solve"}

# Presets that would not learn yet.
EARLIER = {"pong-dqn": ["--set", "method.replay_start_env_steps=5000"]}


def main() -> int:
    """Compares and prints a line for each run."""
    options = arguments()
    differing = 0
    for name, settings in runs(options):
        with tempfile.TemporaryDirectory() as scratch:
            before, after = (Path(scratch) / side for side in ("before", "after"))
            differences = train(options.before, options, name, settings, before)
            differences += train(options.after, options, name, settings, after)
            differences = differences or compare(before, after)
        label = " ".join([name, *settings])
        print(f"{label}: {'; '.join(differences) or 'the same'}", flush=True)
        differing += bool(differences)
    return min(differing, 1)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a `troop` binary")
    parser.add_argument("--after", type=Path, required=True, help="another")
    parser.add_argument("--steps", type=int, default=20_000, help="env steps of each run [20000]")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("presets", nargs="*", help="those to compare [all that both know]")
    return parser.parse_args()


def runs(options: argparse.Namespace) -> list[tuple[str, list[str]]]:
    """Presets with their settings: each with one worker, and the synchronous mode with two."""
    names = options.presets or [name for name in presets(options.before) if name in presets(options.after)]
    single = [(name, ["--workers", "1", *EARLIER.get(name, [])]) for name in names]
    synchronous = ["--workers", "2", "--set", "learner.staleness=synchronous", "--set", "learner.publish.updates=1"]
    return single + ([("cartpole", synchronous)] if "cartpole" in names else [])


def presets(troop: Path) -> list[str]:
    """The names of what ships with a binary."""
    listed = subprocess.run([troop, "presets"], check=True, capture_output=True, text=True).stdout
    return [line.split()[0] for line in listed.splitlines()[1:] if line.strip()]


def train(troop: Path, options: argparse.Namespace, name: str, settings: list[str], directory: Path) -> list[str]:
    """Trains; gives what went wrong."""
    command = [troop, "train", name, "--steps", options.steps, "--seed", options.seed, *settings]
    command += ["--run-dir", directory, "--http", "127.0.0.1:0"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, cwd=troop.parent)
    return [] if done.returncode == 0 else [f"{troop} ended with {done.returncode}: {done.stderr.strip()[-300:]}"]


def compare(before: Path, after: Path) -> list[str]:
    """What differs between two run directories."""
    newest = [max((side / "checkpoints").iterdir()) for side in (before, after)]
    tensors = [{path.name: path.read_bytes() for path in side.glob("*.safetensors")} for side in newest]
    differences = [name for name in sorted(tensors[0].keys() | tensors[1].keys()) if differs(tensors, name)]
    for name, sides in (("state.json", newest), ("summary.json", [before, after])):
        read = [timeless(json.loads((side / name).read_text())) for side in sides]
        differences += [f"{name}: {key}" for key in sorted(read[0].keys() | read[1].keys()) if differs(read, key)]
    return differences


def differs(sides: list[dict], key: str) -> bool:
    """Whether two dictionaries disagree about a key."""
    return sides[0].get(key) != sides[1].get(key)


def timeless(value: object, path: str = "") -> dict[str, object]:
    """A JSON document flattened to `a.b.c`, without times and without the software's version."""
    if not isinstance(value, dict):
        return {path: value}
    flat: dict[str, object] = {}
    for key, inner in value.items():
        software = key == "version" and isinstance(inner, str)  # a number is the parameters' version
        if not software and key not in TIMES and not key.endswith(("_seconds", "_per_second")):
            flat |= timeless(inner, f"{path}.{key}" if path else key)
    return flat


if __name__ == "__main__":
    sys.exit(main())
