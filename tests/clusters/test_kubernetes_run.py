"""The chart's own objects run: Podman starts the pods that Kubernetes' controllers would make of them."""

import base64
import json
import re

import pytest

from chart import kustomized, rendered, secret
from machine import CHECKOUT, execute, need, need_answer
from podman import Node

need("Kubernetes' pods", "docker", "podman", "kubectl", "openssl")
need_answer("Kubernetes' pods", "docker", "version")
need_answer("Kubernetes' pods", "podman", "info")

TOKEN = "for-the-tests"
(VERSION,) = re.findall(r"^appVersion: (.*)$", (CHECKOUT / "deploy/kubernetes/troop/Chart.yaml").read_text(), re.M)
LEARNER, ACTORS = "troop-learner-0", ("troop-actor-0", "troop-actor-1")
REPLAY = "troop-replay-0"
ENDLESS = {"experiment.total_env_steps": 10**12, "checkpoint.interval_s": 5, "actor.reconnect_max_ms": 200}


@pytest.fixture
def node(tmp_path):
    with Node(tmp_path, VERSION) as node:
        node.apply([secret(tmp_path, TOKEN)])
        yield node


def status(node):
    answer = node.get(LEARNER, 7780, "/api/status", TOKEN)
    return answer and json.loads(answer)


def sessions(node):
    return (known := status(node)) and len(known["sessions"])


def solved(node):
    return (known := status(node)) and (known["progress"]["return_mean_100"] or 0) >= 475


def summary(node, claim):
    """What the run's directory says of its end; none before."""
    path = node.volume(claim) / "cartpole-1/summary.json"
    return path.exists() and json.loads(path.read_text())


def test_what_is_committed_solves_cartpole(node):
    node.apply(kustomized())
    end = node.wait_for("the run's end", lambda: summary(node, f"runs-{LEARNER}"))
    assert end["best_return_mean_100"] >= 475 and end["env_steps"] >= 1_000_000
    for name in ACTORS:
        print(node.logs(name))
        assert "joined" in node.logs(name)


def test_a_service_is_watched_drained_and_goes_on(node):
    node.apply(rendered({"run": {"set": ENDLESS}}))
    node.wait_for("two sessions", lambda: sessions(node) == 2)
    node.wait_for("CartPole's threshold", lambda: solved(node))
    assert all(node.healthy(name) for name in (LEARNER, *ACTORS))
    assert node.get(LEARNER, 7780, "/metrics", "another") is None
    nothing_but_volumes_can_be_written(node)
    node.stop(LEARNER)
    assert node.code(LEARNER) == 0
    kept = last_checkpoint(node, f"runs-{LEARNER}")
    assert kept["epoch"] == 1 and kept["counters"]["env_steps"] > 0
    node.podman("pod", "start", LEARNER)
    again = node.wait_for("two sessions again", lambda: sessions(node) == 2 and status(node))
    assert again["epoch"] == 2 and again["progress"]["env_steps"] >= kept["counters"]["env_steps"]
    for name in ACTORS:
        node.stop(name)
        assert node.code(name) == 0


def test_a_job_ends_with_its_run_and_not_before(node):
    node.apply(rendered({"form": "job", "run": {"set": ENDLESS}}))
    node.wait_for("two sessions", lambda: sessions(node) == 2)
    for name in (ACTORS[0], LEARNER):
        node.stop(name)
        assert node.code(name) == 143, "an eviction is no success"
    kept = last_checkpoint(node, "troop-runs")
    node.remove(LEARNER)
    enough = kept["counters"]["env_steps"] + 500_000
    objects = rendered({"form": "job", "run": {"set": ENDLESS | {"experiment.total_env_steps": enough}}})
    node.apply([thing for thing in objects if thing["metadata"]["name"] in ("troop-learner", "troop-runs")])
    node.wait_for("the run's end", lambda: node.code(LEARNER) is not None and node.code(ACTORS[1]) is not None)
    assert (node.code(LEARNER), node.code(ACTORS[1])) == (0, 0)
    assert summary(node, "troop-runs")["env_steps"] >= enough


def test_a_certificate_managers_secret_encrypts_and_names_each_side(node, tmp_path):
    """Its keys are tls.crt, tls.key and ca.crt, one Secret for the learner and one for actors."""
    certificates(tmp_path, learner="subjectAltName=DNS:troop-learner", actor="extendedKeyUsage=clientAuth")
    node.apply([tls_secret(tmp_path, "learner"), tls_secret(tmp_path, "actor")])
    tls = {"secret": "troop-learner-tls", "clientSecret": "troop-actor-tls"}
    node.apply(rendered({"tls": tls, "run": {"set": ENDLESS}}))
    node.wait_for("two sessions", lambda: sessions(node) == 2)
    assert "https://troop-learner:7700" in node.logs(ACTORS[0])
    assert "the gRPC service speaks no TLS" not in node.logs(LEARNER)


def test_shards_find_each_other_and_share_what_is_learnt(node):
    node.apply(rendered({"shards": 3, "run": {"set": ENDLESS}}))
    node.wait_for("two sessions", lambda: sessions(node) == 2)
    node.wait_for("CartPole's threshold", lambda: solved(node))
    for name in ("troop-shard-1", "troop-shard-2"):
        assert node.healthy(name)
        applied = re.search(r"^troop_learner_gradients_applied_total(?:\{.*\})? (\S+)$", node.get(name, 7780, "/metrics", TOKEN), re.M)
        assert float(applied[1]) > 100, name
    node.stop(LEARNER)
    assert node.code(LEARNER) == 0
    assert last_checkpoint(node, f"runs-{LEARNER}")["counters"]["env_steps"] > 0


def test_a_replay_that_is_started_anew_holds_what_its_journal_does(node):
    split = {"topology": {"replays": 1}, "actors": {"bundled": 0, "act": 2, "train": 1}}
    run = {"experiment": "cartpole-ape-x", "set": ENDLESS | {"topology.replay_bytes": 2**22}}
    objects = rendered(split | {"run": run, "replay": {"journal": {"enabled": True}}})
    node.apply(objects)
    node.wait_for("three sessions", lambda: sessions(node) == 3)
    node.wait_for("30 000 env steps", lambda: status(node)["progress"]["env_steps"] > 30_000)
    node.remove(REPLAY)
    node.apply([thing for thing in objects if thing["metadata"]["name"] == "troop-replay"])
    node.wait_for("what it held", lambda: "holds again what its journal holds" in node.logs(REPLAY))
    before = status(node)["progress"]["updates"]
    node.wait_for("more updates", lambda: status(node)["progress"]["updates"] > before + 100)


def certificates(folder, **extensions):
    """As docs/security.md makes them: a CA, and a certificate of it for each name."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    ca = [folder / "ca.crt", "-keyout", folder / "ca.key"]
    execute("openssl", "req", "-x509", *key, "-days", "1", "-subj", "/CN=Troop CA", "-out", *ca)
    for name, extension in extensions.items():
        (folder / f"{name}.ext").write_text(extension)
        request = folder / f"{name}.csr"
        execute("openssl", "req", *key, "-subj", f"/CN={name}", "-keyout", folder / f"{name}.key", "-out", request)
        signed = ["-CA", ca[0], "-CAkey", ca[2], "-CAcreateserial", "-days", "1", "-extfile", folder / f"{name}.ext"]
        execute("openssl", "x509", "-req", "-in", request, *signed, "-out", folder / f"{name}.crt")


def tls_secret(folder, name):
    files = {"tls.crt": f"{name}.crt", "tls.key": f"{name}.key", "ca.crt": "ca.crt"}
    data = {key: base64.b64encode((folder / file).read_bytes()).decode() for key, file in files.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"troop-{name}-tls"}, "data": data}


def last_checkpoint(node, claim):
    states = sorted((node.volume(claim) / "cartpole-1/checkpoints").glob("*/state.json"))
    return json.loads(states[-1].read_text())


def nothing_but_volumes_can_be_written(node):
    for name in (LEARNER, *ACTORS):
        (container,) = node.containers(name)
        write = "for it in / /etc /opt /var/tmp; do if echo > $it/written; then echo wrote $it; fi; done 2>/dev/null"
        assert node.podman("exec", container["Name"], "sh", "-c", write) == ""
        identity = node.podman("exec", container["Name"], "grep", "-E", "^(Uid|CapEff|CapBnd|NoNewPrivs|Seccomp):", "/proc/self/status")
        found = {line.split(":")[0]: line.split()[1] for line in identity.splitlines()}
        assert found == {"Uid": "7700", "CapEff": "0" * 16, "CapBnd": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
