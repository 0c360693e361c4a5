"""The Helm chart: what it takes, what it makes, and that the rendering which is committed is of it. No cluster is needed."""

import json
import os
import re
import subprocess
import sys

import helm_python
import pytest
import yaml

from chart import CHART, RENDERED, kustomized, rendered
from machine import BINARIES, CHECKOUT, execute, need

need("Kubernetes' objects", "kubectl", "kubernetes-validate")

# The oldest that Chart.yaml takes, and the newest that is known.
KUBERNETES = ("1.31", "1.37")
SPLIT = {"topology": {"replays": 2}, "actors": {"bundled": 0, "act": 3, "train": 1}}
FORMS = {
    "default": {},
    "job": {"form": "job", "job": {"ttlSecondsAfterFinished": 0}},
    "split": SPLIT,
    "split with journals": SPLIT | {"replay": {"journal": {"enabled": True, "className": "fast"}}},
    "shards": {"shards": 4},
    "monitored": {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}, "autoscaling": {"enabled": True}},
    "tls": {"tls": {"secret": "troop-tls", "clientSecret": "troop-actor-tls"}, "token": {"value": "open-sesame"}},
    "shards with tls": {"shards": 3, "tls": {"secret": "troop-tls", "clientSecret": "troop-actor-tls"}},
    "split with tls": SPLIT | {"tls": {"secret": "troop-tls", "clientSecret": "troop-actor-tls"}},
    "own": {
        "run": {"experiment": "mine", "file": "[experiment]\nname = \"mine\"\n", "set": {"model.hidden": [32, 32]}},
        "image": {"registry": "registry.example.com/rl/", "tag": "1", "pullSecrets": ["pull"]},
        "learner": {"storage": {"claim": "runs", "className": "fast"}},
        "podDisruptionBudget": {"enabled": False},
        "networkPolicy": {"httpFrom": [], "actorEgress": [{"ports": [{"port": 443}]}]},
    },
}
# Of operators; Kubernetes itself knows nothing of them.
CUSTOM = {"ServiceMonitor", "PodMonitor", "PrometheusRule", "ScaledObject"}


def of_kind(objects, kind):
    return {thing["metadata"]["name"]: thing for thing in objects if thing["kind"] == kind}


def pods(objects):
    """The template of every pod, by its object's name."""
    return {thing["metadata"]["name"]: thing["spec"]["template"] for thing in objects if "template" in thing.get("spec", {})}


@pytest.mark.parametrize("form", FORMS)
def test_helm_finds_nothing_to_complain_of(form):
    report = helm_python.lint(CHART, FORMS[form], strict=True)
    assert report["errors"] == []
    assert {message["error"] for message in report["messages"]} <= {"icon is recommended"}


@pytest.mark.parametrize("version", KUBERNETES)
@pytest.mark.parametrize("form", FORMS)
def test_every_object_is_what_kubernetes_takes(form, version, tmp_path):
    objects = [thing for thing in rendered(FORMS[form]) if thing["kind"] not in CUSTOM]
    file = tmp_path / "objects.yaml"
    file.write_text(yaml.safe_dump_all(objects))
    said = execute("kubernetes-validate", "--strict", "-k", version, file)
    assert said.count("passed for resource") == len(objects) >= 6, said


def test_what_is_committed_is_the_default_rendering():
    execute(sys.executable, CHECKOUT / "deploy/kubernetes/render.py", "--check")
    by_name = lambda thing: (thing["kind"], thing["metadata"]["name"])  # noqa: E731
    assert sorted(kustomized(), key=by_name) == sorted(rendered(), key=by_name)


def test_a_stale_rendering_is_noticed():
    """Else the test above shows nothing."""
    from render import files

    assert {path.name for path in RENDERED.glob("*.yaml")} == files().keys()
    assert files() != files() | {"learner.yaml": ""}


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"shards": 0}, "/shards"),
        ({"form": "cron"}, "/form"),
        ({"run": {"experiment": "cartpole; rm -rf /"}}, "/run/experiment"),
        ({"run": {"set": {"no-key": 1}}}, "no-key"),
        ({"actors": {"bundled": "two"}}, "/actors/bundled"),
        ({"actors": {"replicas": 2}}, "replicas"),
        ({"token": {"secret": ""}}, "expected token.secret"),
        ({"token": {"value": "two lines\n"}}, "/token/value"),
        ({"actors": {"act": 1, "train": 1}}, "expected actors.bundled to be 0"),
        ({"actors": {"bundled": 0, "act": 1, "train": 1}}, "topology.replays together"),
        ({"topology": {"replays": 1}}, "expected actors.act"),
        ({"replay": {"journal": {"enabled": True}}}, "expected topology.replays"),
        ({"form": "job", "shards": 2}, "expected form: service"),
        ({"form": "job", "autoscaling": {"enabled": True}}, "with autoscaling"),
        ({"tls": {"clientSecret": "a"}}, "expected tls.secret"),
    ],
)
def test_values_that_cannot_work_are_refused(values, complaint):
    with pytest.raises(helm_python.HelmError, match=re.escape(complaint)):
        rendered(values)


@pytest.mark.parametrize("form", FORMS)
def test_pods_are_what_the_restricted_standard_asks_for(form):
    for name, pod in pods(rendered(FORMS[form])).items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 7700, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"]
            assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()
            assert not any(source for source in spec["volumes"] if "hostPath" in source)


@pytest.mark.parametrize("form", FORMS)
def test_every_option_is_one_that_the_program_has(form):
    for name, pod in pods(rendered(FORMS[form])).items():
        (container,) = pod["spec"]["containers"]
        program = re.search(r"troop-\w+", container["image"])[0]
        known = set(re.findall(r"--[\w-]+", execute(BINARIES / program, "--help")))
        given = {word.split("=")[0] for word in container["args"] if word.startswith("--")}
        assert given and given <= known, (name, given - known)


@pytest.mark.parametrize("form", FORMS)
def test_nothing_listens_without_a_token(form):
    text = json.dumps(rendered(FORMS[form]))
    assert "ALLOW_INSECURE_LISTEN" not in text
    for name, pod in pods(rendered(FORMS[form])).items():
        (container,) = pod["spec"]["containers"]
        given = [it["value"] for it in container.get("env", []) if it["name"] == "TROOP__SECURITY__TOKEN_FILE"]
        given += [word.split("=")[1] for word in container["args"] if word.startswith("--token-file=")]
        assert given == ["/run/secrets/troop/token"], name


def test_there_is_no_token_unless_one_is_given():
    assert of_kind(rendered(), "Secret") == {}
    assert of_kind(rendered(FORMS["tls"]), "Secret")["troop-token"]["data"] == {"token": "b3Blbi1zZXNhbWU="}


def test_actors_do_not_see_the_learners_key():
    for name, pod in pods(rendered(FORMS["tls"])).items():
        secrets = {it["secret"]["secretName"]: it["secret"].get("items") for it in pod["spec"]["volumes"] if "secret" in it}
        if name == "troop-actor":
            assert secrets["troop-tls"] == [{"key": "ca.crt", "path": "ca.crt"}]
        else:
            assert secrets["troop-tls"] is None


def test_only_what_belongs_to_it_reaches_a_server():
    policies = of_kind(rendered(SPLIT | {"shards": 2}), "NetworkPolicy")
    assert policies.keys() == {f"troop-{name}" for name in ("learner", "shard", "replay", "actor-act", "actor-train")}

    def let_in(name):
        rules = policies[name]["spec"]["ingress"]
        grpc = [rule for rule in rules if rule["ports"][0]["port"] in (7700, 7701)]
        peers = [peer["podSelector"]["matchLabels"] for rule in grpc for peer in rule["from"]]
        assert all(peer["app.kubernetes.io/instance"] == "troop" for peer in peers)
        return {peer["app.kubernetes.io/component"] for peer in peers}

    actors = {"actor-act", "actor-train"}
    assert let_in("troop-learner") == actors | {"replay", "shard"}
    assert let_in("troop-shard") == actors | {"learner"}
    assert let_in("troop-replay") == actors
    assert let_in("troop-actor-act") == set()


def test_what_holds_state_has_a_budget_and_what_is_drained_has_the_time():
    objects = rendered(SPLIT | {"shards": 2})
    assert of_kind(objects, "PodDisruptionBudget").keys() == of_kind(objects, "StatefulSet").keys()
    assert len(of_kind(objects, "StatefulSet")) == 3
    assert of_kind(objects, "StatefulSet")["troop-shard"]["spec"]["ordinals"] == {"start": 1}
    for pod in pods(objects).values():
        assert pod["spec"]["terminationGracePeriodSeconds"] >= 30


def test_each_replay_has_a_volume_for_its_journal_if_it_has_one():
    (journal,) = of_kind(rendered(FORMS["split with journals"]), "StatefulSet")["troop-replay"]["spec"]["volumeClaimTemplates"]
    assert journal["spec"]["storageClassName"] == "fast"
    (container,) = pods(rendered(FORMS["split with journals"]))["troop-replay"]["spec"]["containers"]
    (mount,) = [it["mountPath"] for it in container["volumeMounts"] if it["name"] == journal["metadata"]["name"]]
    assert f"--journal={mount}/cartpole-1" in container["args"]
    assert "volumeClaimTemplates" not in of_kind(rendered(SPLIT), "StatefulSet")["troop-replay"]["spec"]


def test_settings_reach_the_learner_as_toml():
    keys = {"experiment.total_env_steps": 10**12, "optimizer.learning_rate": 1e-5, "model.hidden": [32, 32]}
    keys |= {"learner.staleness": "bound", "learner.publish": {"updates": 5}, "environment.frame_stack": True}
    (container,) = pods(rendered({"run": {"set": keys}}))["troop-learner"]["spec"]["containers"]
    given = [word.removeprefix("--set=") for word in container["args"] if word.startswith("--set=")]
    assert sorted(given) == [
        "environment.frame_stack=true",
        "experiment.total_env_steps=1000000000000",
        'learner.publish={"updates":5}',
        "learner.staleness=bound",
        "model.hidden=[32,32]",
        "optimizer.learning_rate=0.00001",
    ]


def test_alerts_and_dashboards_are_those_of_deploy():
    objects = rendered(FORMS["monitored"])
    rules = yaml.safe_load((CHECKOUT / "deploy/prometheus/troop.rules.yml").read_text())
    assert of_kind(objects, "PrometheusRule")["troop"]["spec"] == rules
    boards = {path.name: json.loads(path.read_text()) for path in (CHECKOUT / "deploy/grafana/dashboards").glob("*.json")}
    made = [thing["data"].items() for thing in of_kind(objects, "ConfigMap").values()]
    assert {name: json.loads(text) for items in made for name, text in items} == boards


def test_jobs_have_the_names_that_alerts_know():
    objects = rendered(FORMS["monitored"])
    (monitor,), (pod_monitor,) = (of_kind(objects, kind).values() for kind in ("ServiceMonitor", "PodMonitor"))
    service = of_kind(objects, "Service")["troop-learner"]["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service.items()
    assert service[monitor["spec"]["jobLabel"]] == "troop-learner"
    actor = pods(objects)["troop-actor"]["metadata"]["labels"]
    assert pod_monitor["spec"]["selector"]["matchLabels"].items() <= actor.items()
    assert actor[pod_monitor["spec"]["jobLabel"]] == "troop-actor"
    ports = {port["name"] for port in pods(objects)["troop-actor"]["spec"]["containers"][0]["ports"]}
    assert {it["port"] for it in pod_monitor["spec"]["podMetricsEndpoints"]} <= ports


def test_an_operators_replicas_are_left_alone():
    assert "replicas" not in of_kind(rendered(FORMS["monitored"]), "Deployment")["troop-actor"]["spec"]


# Values of a series a minute apart, and what the query says at the end.
SERIES = [
    # Nothing applied for half of the time, nobody waits.
    ("half idle", "0+30x10", "0+1x10", 0.5),
    ("idle", "0+3x10", "0+1x10", 0.95),
    ("busy", "0+60x10", "0+1x10", 0),
    # Idle, but actors wait for half of their time: it is not actors that are missing.
    ("held up", "0+3x10", "0+60x10", 0.5),
]


@pytest.mark.parametrize(("name", "applied", "waited", "expected"), SERIES, ids=[row[0] for row in SERIES])
def test_actors_are_added_while_the_learner_starves_and_nobody_waits(name, applied, waited, expected, tmp_path):
    need("KEDA's query", "promtool")
    learner = 'namespace="rl",service="troop-learner"'
    actors = [f'namespace="rl",job="troop-actor",pod="troop-actor-{index}"' for index in "ab"]
    series = [{"series": f"troop_learner_apply_seconds_sum{{{learner}}}", "values": applied}]
    # Of another release, which is not asked.
    series += [{"series": 'troop_learner_apply_seconds_sum{namespace="rl",service="other-learner"}', "values": "0+59x10"}]
    for labels in actors:
        series += [{"series": f"troop_actor_push_wait_seconds_sum{{{labels}}}", "values": waited}]
        series += [{"series": f"troop_actor_workers{{{labels}}}", "values": "1x10"}]
    assert query_says(tmp_path, series) == pytest.approx(expected, abs=0.02), name


def test_where_nobody_knows_nothing_changes(tmp_path):
    need("KEDA's query", "promtool")
    assert query_says(tmp_path, []) == pytest.approx(0.5)


def query_says(folder, series):
    """What Prometheus' own engine makes of KEDA's query after ten minutes."""
    (scaled,) = of_kind(rendered(FORMS["monitored"], namespace="rl"), "ScaledObject").values()
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["metricType"] == "Value" and trigger["metadata"]["threshold"] == "0.5"
    query = trigger["metadata"]["query"]
    asked = [{"expr": query, "eval_time": "10m", "exp_samples": [{"labels": "{}", "value": -1}]}]
    test = folder / "test.yml"
    test.write_text(yaml.safe_dump({"tests": [{"interval": "1m", "input_series": series, "promql_expr_test": asked}]}))
    # It fails on purpose, and says what it got.
    said = subprocess.run(["promtool", "test", "rules", test], capture_output=True, text=True, env=os.environ)
    (found,) = re.findall(r"^\s*got: \{\} (\S+)$", said.stdout + said.stderr, re.MULTILINE)
    return float(found)
