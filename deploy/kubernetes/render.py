"""Writes the chart's default rendering for those who use Kustomize, or with --check says whether it is what this would write.

target/clusters/venv/bin/python deploy/kubernetes/render.py     (tests/clusters/run.sh makes that environment)
"""

import sys
from pathlib import Path

import helm_python

HERE = Path(__file__).resolve().parent
CHART = HERE / "troop"
FOLDER = HERE / "rendered"
NAME = "troop"
"""Of the release; objects are called so."""

HEAD = "# Made of the chart's defaults by deploy/kubernetes/render.py. Change it by patches of an overlay.\n"


def render(values=None, name=NAME, namespace=None):
    """The text of each template that has something to say, by its file's name."""
    with helm_python.Chart.load(CHART) as chart:
        made = chart.render(values, name=name, namespace=namespace)
    texts = {Path(path).name: text.strip() + "\n" for path, text in made.items() if path.endswith(".yaml")}
    return {name: text.removeprefix("---\n") for name, text in sorted(texts.items()) if text.strip()}


def files():
    """The text of every file of the rendering."""
    texts = {name: HEAD + text for name, text in render().items()}
    resources = "".join(f"  - {name}\n" for name in texts)
    kind = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
    return texts | {"kustomization.yaml": f"{HEAD}{kind}resources:\n{resources}"}


def main(arguments):
    """Gives the exit code."""
    texts = files()
    if arguments == ["--check"]:
        found = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.yaml")}
        if found != texts:
            print("deploy/kubernetes/rendered is not what deploy/kubernetes/render.py makes; run it", file=sys.stderr)
        return int(found != texts)
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.glob("*.yaml"):
        path.unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
