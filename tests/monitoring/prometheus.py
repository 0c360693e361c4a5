"""A real Prometheus with Troop's rules, and what it is asked."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from functools import partial
from http import HTTPStatus
from pathlib import Path

import yaml

from processes import CHECKOUT, Process, poll, system

SHIPPED = CHECKOUT / "deploy/prometheus/prometheus.yml"
# PromQL's words that stand where a metric could.
KEYWORDS = {"and", "or", "unless", "bool", "offset"}
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
SELECTOR = re.compile(r"\b([a-zA-Z_:][\w:]*)\b(\s*\{[^}]*\})?(?!\s*\()")


def selectors(expression: str) -> list[tuple[str, str]]:
    """Every metric that an expression names, with its matchers."""
    found = SELECTOR.findall(GROUPING.sub(" ", expression))
    return [(name, name + matchers) for name, matchers in found if name not in KEYWORDS]


def configuration(targets: dict[str, list[str]], token: Path) -> dict:
    """The shipped configuration, with these targets of its jobs, and with seconds for its intervals."""
    shipped = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    shipped["global"] |= {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    shipped["rule_files"] = [str(SHIPPED.parent / pattern) for pattern in shipped["rule_files"]]
    assert {job["job_name"] for job in shipped["scrape_configs"]} == set(targets)
    for job in shipped["scrape_configs"]:
        for key in [key for key in job if key.endswith("_sd_configs")]:
            del job[key]
        job["static_configs"] = [{"targets": targets[job["job_name"]]}]
        if "authorization" in job:
            job["authorization"]["credentials_file"] = str(token)
    return shipped


class Prometheus:
    """The process, and its HTTP interface."""

    def __init__(self, directory: Path, targets: dict[str, list[str]], token: Path) -> None:
        config = directory / "prometheus.yml"
        config.write_text(yaml.safe_dump(configuration(targets, token)), encoding="utf-8")
        self.process = Process(
            directory,
            "prometheus",
            system("prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={directory / 'data'}",
            "--web.listen-address=127.0.0.1:0",
            "--query.lookback-delta=1m",
        )
        address = self.process.find(r'msg="Listening on" (?:component=web )?address=(\S+)')
        self._url = f"http://{address}/api/v1"
        # It listens before it answers queries.
        poll("Prometheus is ready", partial(self._is_ready, f"http://{address}/-/ready"))

    def query(self, expression: str) -> list[dict]:
        """The samples of an instant query; fails where Prometheus cannot read it."""
        answer = self._get("query", query=expression)
        return answer["result"]

    def has_data(self, expression: str) -> bool:
        """Whether an instant query gives a number."""
        return any(math.isfinite(float(sample["value"][1])) for sample in self.query(expression))

    def rules(self) -> list[dict]:
        """Recording and alerting rules, with their health."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def alarms(self) -> set[tuple[str, str]]:
        """Alerts that are pending or firing, with the instance that they are about."""
        return {(alert["labels"]["alertname"], alert["labels"]["instance"]) for alert in self._get("alerts")["alerts"]}

    def _is_ready(self, url: str) -> bool:
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return response.status == HTTPStatus.OK
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return False
            raise

    def _get(self, path: str, **parameters: str) -> dict:
        url = f"{self._url}/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error
