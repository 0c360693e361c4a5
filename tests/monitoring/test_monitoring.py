"""Dashboards and rules against a real Prometheus that scrapes a real learner, two real actors and a replay while they train."""

import json
import subprocess

import pytest
import yaml

from processes import CHECKOUT, poll, system
from prometheus import selectors

RULES = CHECKOUT / "deploy/prometheus"
# What Grafana puts in.
VARIABLES = {"$__rate_interval": "10s", "$instance": ".+", "$actor": ".+", "$replay": ".+", "$run": ".+"}
# Made by Prometheus itself.
ITS_OWN = {"up"}


def panels() -> list:
    """Every query of every panel."""
    found = []
    for path in sorted((CHECKOUT / "deploy/grafana/dashboards").glob("*.json")):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                name = f"{path.stem}: {panel['title']} {target['refId']}"
                expression = target["expr"]
                for variable, value in VARIABLES.items():
                    expression = expression.replace(variable, value)
                found.append(pytest.param(expression, id=name))
    return found


def rules(kind: str) -> list:
    """The expression of every `alert` or `record` rule."""
    groups = [
        group
        for path in RULES.glob("*.rules.yml")
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    return [
        pytest.param(rule[kind], rule["expr"], id=rule[kind])
        for group in groups
        for rule in group["rules"]
        if kind in rule
    ]


PANELS, RECORDS, ALERTS = panels(), rules("record"), rules("alert")


def test_there_is_something_to_try():
    assert len(PANELS) > 40 and len(RECORDS) >= 5 and len(ALERTS) >= 10


def test_promtool_accepts_the_rules_and_their_cases():
    files = [str(path) for path in RULES.glob("*.rules.yml")]
    subprocess.run([system("promtool"), "check", "rules", "--lint-fatal", *files], check=True)
    cases = [str(path) for path in RULES.glob("*.rules.test.yaml")]
    assert cases
    subprocess.run([system("promtool"), "test", "rules", *cases], check=True)


def test_every_alert_has_cases_in_which_it_fires_and_in_which_it_does_not():
    cases: dict[str, set[bool]] = {}
    for path in RULES.glob("*.rules.test.yaml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test.get("alert_rule_test", []):
                cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert cases == {alert.values[0]: {True, False} for alert in ALERTS}


def test_every_alert_says_what_it_means_and_what_to_do():
    text = (CHECKOUT / "docs/monitoring.md").read_text(encoding="utf-8")
    for path in RULES.glob("*.rules.yml"):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert set(rule["annotations"]) == {"summary", "description", "action"}, rule["alert"]
                    assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
                    assert f"`{rule['alert']}`" in text, f"docs/monitoring.md does not name {rule['alert']}"


@pytest.mark.parametrize("expression", PANELS)
def test_a_panel_shows_data(cluster, expression):
    poll(f"data of {expression}", lambda: cluster.prometheus.has_data(expression))


@pytest.mark.parametrize("name,expression", RECORDS)
def test_a_recording_rule_gives_data(cluster, name, expression):
    poll(f"data of {expression}", lambda: cluster.prometheus.has_data(expression))
    poll(f"data of {name}", lambda: cluster.prometheus.has_data(name))


@pytest.mark.parametrize("name,expression", ALERTS)
def test_what_an_alert_looks_at_is_there(cluster, name, expression):
    cluster.prometheus.query(expression)
    for _, selector in selectors(expression):
        poll(f"data of {selector} ({name})", lambda selector=selector: cluster.prometheus.has_data(selector))


@pytest.mark.parametrize(
    "expression", [*PANELS, *(pytest.param(rule.values[1], id=rule.id) for rule in [*RECORDS, *ALERTS])]
)
def test_every_metric_that_is_named_is_exported(cluster, exported, expression):
    recorded = {rule.values[0] for rule in RECORDS}
    named = {name for name, _ in selectors(expression)}
    assert named and named <= exported | recorded | ITS_OWN


@pytest.fixture(scope="module")
def exported(cluster) -> set[str]:
    """Waits until there was a loss, which comes with the first gradient alone."""
    poll("a loss", lambda: cluster.prometheus.has_data("troop_learner_loss"))
    return cluster.metrics()


def test_rules_are_evaluated_and_a_run_that_goes_well_raises_no_alarm(cluster):
    healthy = poll("all rules evaluated", lambda: all(rule["health"] == "ok" for rule in cluster.prometheus.rules()))
    assert healthy
    ours = {cluster.learner_http, *cluster.actors}
    assert {alarm for alarm in cluster.prometheus.alarms() if alarm[1] in ours} == set()


def test_the_end_of_a_run_is_no_alarm(cluster):
    """The learner waits until Prometheus has read twice that it is finished; then it may go."""
    instance = f'{{instance="{cluster.ending_http}"}}'
    poll("a first scrape", lambda: cluster.prometheus.has_data(f"troop_learner_phase{instance}"))
    actor = cluster.ending_actor()
    assert (cluster.ending.wait(), actor.wait()) == (0, 0)
    finished = f'last_over_time(troop_learner_phase{{phase="finished", {instance[1:]}[10m]) == 1'
    poll("the last scrape in Prometheus' memory", lambda: cluster.prometheus.query(finished))
    down = f"up{instance} == 0"
    poll("a scrape that fails", lambda: cluster.prometheus.query(down))
    evaluated = f"count_over_time(({down})[10m:1s]) > 3"
    poll("rules that were evaluated since", lambda: cluster.prometheus.query(evaluated))
    assert not [alarm for alarm in cluster.prometheus.alarms() if alarm[1] == cluster.ending_http]


def test_an_actor_that_is_paused_raises_an_alarm_until_it_goes_on(cluster):
    address, actor = next(iter(cluster.actors.items()))
    actor.pause()
    poll("an alarm", lambda: ("TroopActorSilent", address) in cluster.prometheus.alarms())
    actor.resume()
    poll("no alarm", lambda: ("TroopActorSilent", address) not in cluster.prometheus.alarms())


def test_a_learner_that_is_killed_raises_an_alarm(cluster):
    cluster.learner.end()
    poll("an alarm", lambda: ("TroopLearnerDown", cluster.learner_http) in cluster.prometheus.alarms())
