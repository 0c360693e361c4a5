"""Writes Troop's dashboards, or with --check says whether the files are what this would write.

.venv/bin/python deploy/grafana/source/build.py
"""

import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from actors import actors
from learner import learner
from replays import replays
from throughput import throughput
from training import training

FOLDER = Path(__file__).resolve().parent.parent / "dashboards"


def dashboards() -> dict[str, str]:
    """The text of each file by its name."""
    made = {
        "training": training(),
        "throughput": throughput(),
        "actors": actors(),
        "replays": replays(),
        "learner": learner(),
    }
    return {
        f"{name}.json": json.dumps(board.build(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, board in made.items()
    }


def main(arguments: list[str]) -> int:
    """Gives the exit code."""
    texts = dashboards()
    if arguments == ["--check"]:
        found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.json")}
        if found != texts:
            print("deploy/grafana/dashboards is not what source/build.py makes; run it", file=sys.stderr)
        return int(found != texts)
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
