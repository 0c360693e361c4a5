"""The chart's objects, by the same code that makes deploy/kubernetes/rendered."""

import sys

import yaml

from machine import CHECKOUT, execute

sys.path.insert(0, str(CHECKOUT / "deploy/kubernetes"))
RENDERED = CHECKOUT / "deploy/kubernetes/rendered"
CHART = CHECKOUT / "deploy/kubernetes/troop"


def rendered(values=None, name="troop", namespace=None):
    """Every object that the chart makes of values."""
    from render import render

    texts = render(values, name, namespace).values()
    return [thing for text in texts for thing in yaml.safe_load_all(text) if thing]


def kustomized(folder=RENDERED):
    """Every object that kubectl makes of a folder."""
    return [thing for thing in yaml.safe_load_all(execute("kubectl", "kustomize", folder)) if thing]


def secret(folder, token):
    """As kubectl makes it of a file with the token."""
    file = folder / "token"
    file.write_text(token, encoding="utf-8")
    create = ["kubectl", "create", "secret", "generic", "troop-token", f"--from-file=token={file}"]
    return yaml.safe_load(execute(*create, "--dry-run=client", "--output=yaml"))
