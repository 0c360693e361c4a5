"""The dashboards' files are what their source makes, and have what a first-time reader needs."""

import json
import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("the package with Grafana's types needs Python 3.11", allow_module_level=True)

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from build import FOLDER, dashboards

FILES = sorted(FOLDER.glob("*.json"))

# What each dashboard has at least.
PANELS = {
    "training.json": {"Return", "Episode length", "Losses", "Entropy", "Learning rate"},
    "throughput.json": {
        "Env steps",
        "Frames",
        "Gradients",
        "Staleness",
        "Staleness, quantiles",
        "Age of a gradient's weights",
        "Age of the newest weights",
        "Queue wait",
        "Bytes",
    },
    "actors.json": {"Env steps", "Where the time of $actor goes", "Waiting for the learner", "Restarts in 15 minutes"},
    "replays.json": {"Env steps", "Held back and starved", "Age of what is drawn", "Room", "Items that go"},
    "learner.json": {"CPU", "Memory", "Apply time", "Publishes", "Sessions"},
}


@pytest.fixture(params=FILES, ids=lambda path: path.name)
def board(request) -> dict:
    """A dashboard as Grafana reads it."""
    return json.loads(request.param.read_text(encoding="utf-8")) | {"file": request.param.name}


def test_the_files_are_what_the_source_makes():
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES} == dashboards(), "run source/build.py"


def test_grafanas_types_read_all_of_it(board):
    register_default_plugins()
    text = (FOLDER / board["file"]).read_text(encoding="utf-8")
    read = Dashboard.from_json(json.loads(text))
    written = json.loads(json.dumps(read, cls=JSONEncoder))
    for panel in written["panels"]:
        if panel["fieldConfig"]["defaults"].get("custom") == {}:  # made by reading
            del panel["fieldConfig"]["defaults"]["custom"]
    assert written == json.loads(text)


def test_all_panels_are_there(board):
    assert PANELS[board["file"]] <= {panel["title"] for panel in board["panels"]}


def test_runs_and_instances_can_be_chosen(board):
    variables = {variable["name"]: variable for variable in board["templating"]["list"]}
    instance = {"actors.json": "actor", "replays.json": "replay"}.get(board["file"], "instance")
    assert list(variables) == ["datasource", "run", instance]
    for name in ("run", instance):
        assert variables[name]["multi"] and variables[name]["includeAll"]
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert 'run=~"$run"' in target["expr"] and f'instance=~"${instance}"' in target["expr"], panel["title"]


def test_every_axis_has_a_unit_and_a_name(board):
    for panel in board["panels"]:
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        axis = {
            "timeseries": lambda: defaults["custom"]["axisLabel"],
            "heatmap": lambda: panel["options"]["yAxis"]["axisLabel"] and panel["options"]["yAxis"]["unit"],
            "stat": lambda: panel["title"],
        }[panel["type"]]
        assert axis(), panel["title"]


def test_every_panel_says_what_to_do(board):
    for panel in board["panels"]:
        assert len(panel["description"].split()) >= 12, panel["title"]


def test_the_documentation_names_the_panels(board):
    text = (FOLDER.parents[2] / "docs/monitoring.md").read_text(encoding="utf-8")
    name = board["title"].removeprefix("Troop / ")
    (section,) = [part for part in text.split("\n### ") if part.startswith(name + ":")]
    rows = [
        line.split("|")[1].strip().strip("*")
        for line in section.split("\n## ")[0].splitlines()
        if line.startswith("| *")
    ]
    assert rows == [panel["title"] for panel in board["panels"]]


def test_numbers_of_panels_and_names_of_queries_are_told_apart(board):
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in board["panels"]:
        names = [target["refId"] for target in panel["targets"]]
        assert all(names) and len(set(names)) == len(names), panel["title"]


def test_panels_do_not_overlap(board):
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
