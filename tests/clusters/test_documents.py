"""Every command of docs/clusters.md, section by section, as it stands there."""

import os
import re
import shlex
import shutil
import signal
import subprocess

import helm_python
import pytest
import yaml

from chart import kustomized, rendered
from machine import BINARIES, CHECKOUT, IMAGES, TAG, execute, need, need_answer, wait_until

TEXT = (CHECKOUT / "docs/clusters.md").read_text()
OURS = {"By hand", "Compose", "Swarm", "Kubernetes"}
"""test_slurm.py tries those of Slurm."""


def commands():
    """Those of each section, in their order."""
    found = {}
    for section in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
        found[section.splitlines()[0]] = [line for block in blocks for line in block.splitlines()]
    return {section: lines for section, lines in found.items() if lines}


def shell(line, folder=CHECKOUT, **variables):
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=os.environ | variables, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )


def run(line, folder=CHECKOUT, **variables):
    """What a command writes; it has to succeed."""
    done = shell(line, folder, **variables)
    assert done.returncode == 0, f"{line} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def test_every_section_with_commands_has_its_test():
    assert commands().keys() - {"Slurm"} == OURS
    assert all(len(commands()[section]) >= 3 for section in OURS)


def test_by_hand(tmp_path):
    """In a network of its own, where the ports are free."""
    need("by hand", "unshare", "ip")
    need_answer("by hand", "unshare", "--net", "true")
    programs = BINARIES if BINARIES.is_absolute() else CHECKOUT / BINARIES
    token, learner, actor = commands()["By hand"]
    assert learner.startswith("troop-learner ") and actor.startswith("troop-actor ")
    run(token, tmp_path)
    script = f"ip link set lo up; {learner} 2>learner.log & learner=$!; {actor} 2>actor.log & wait $! && wait $learner"
    command = ["unshare", "--net", "--kill-child", "sh", "-c", script]
    env = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        assert process.wait(timeout=120) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        print((tmp_path / "learner.log").read_text(), (tmp_path / "actor.log").read_text())
    assert "task solved" in (tmp_path / "learner.log").read_text()
    assert (tmp_path / "runs/cartpole-1/summary.json").exists()


def test_compose():
    need("Compose", "docker")
    need_answer("Compose", "docker", "version")
    lines = commands()["Compose"]
    if shutil.which("docker-compose") is None:
        lines = [line.replace("docker-compose", "docker compose") for line in lines]
    project = f"troop-clusters-{os.getpid()}"
    variables = {"COMPOSE_PROJECT_NAME": project, "TROOP_TAG": TAG, "TROOP_PORT": "0", "ARGS": f"--steps {10**12}"}
    compose = lines[-1].removesuffix(" stop")
    try:
        up, scale, stop = lines
        run(up, **variables)
        assert len(run(f"{compose} ps -q actor", **variables).split()) == 2
        run(scale, **variables)
        assert len(run(f"{compose} ps -q actor", **variables).split()) == 3
        logs = f"{compose} logs learner"
        wait_until("CartPole's threshold", lambda: "task solved" in run(logs, **variables))
        run(stop, **variables)
        assert "the learner was told to stop" in run(logs, **variables)
    finally:
        run(f"{compose} down --volumes --timeout 5", **variables)


def test_swarm(tmp_path):
    need("Swarm", "docker")
    need_answer("Swarm", "docker", "version")
    if (state := execute("docker", "info", "--format={{.Swarm.LocalNodeState}}").strip()) != "inactive":
        pytest.skip(f"Swarm: expected a Docker engine that is in no swarm, found one that is {state}")
    (tmp_path / "deploy").symlink_to(CHECKOUT / "deploy")
    variables = {"TROOP_TAG": TAG, "TROOP_PORT": "0", "ARGS": f"--steps {10**12}"}
    *lines, deploy, scale, logs, remove = commands()["Swarm"]
    try:
        for line in lines:
            run(line, tmp_path, **variables)
        run(deploy, tmp_path, **variables)
        wait_until("CartPole's threshold", lambda: "task solved" in run(logs, **variables))
        run(scale, tmp_path)
        joined = lambda: run(logs).count("session joined") >= 4  # noqa: E731
        wait_until("four actors", joined)
        run(remove, tmp_path)
        wait_until("the stack's end", lambda: not execute("docker", "ps", "--quiet", "--filter=name=troop_").strip())
    finally:
        run("docker swarm leave --force")
    wait_until("its volume to be free", lambda: shell("docker volume rm troop_runs").returncode == 0)


@pytest.mark.parametrize("line", commands()["Kubernetes"])
def test_kubernetes(line, tmp_path):
    """Up to the API server, of which there is none here."""
    need("Kubernetes", "kubectl", "kubernetes-validate")
    words = shlex.split(line)
    match words:
        case ["head", *_]:
            run(line, tmp_path)
            assert len((tmp_path / "token").read_text()) > 40
        case ["kubectl", "create", "secret", *_]:
            (tmp_path / "token").write_text("open-sesame\n")
            secret = yaml.safe_load(run(f"{line} --dry-run=client --output=yaml", tmp_path))
            assert secret["metadata"]["name"] == "troop-token" and "token" in secret["data"]
        case ["helm", "install" | "upgrade", name, chart, *options]:
            assert chart == "deploy/kubernetes/troop"
            takes_what_helm_makes(tmp_path, name, options)
        case ["helm", "uninstall", name]:
            assert name == "troop"
        case ["kubectl", "apply", "--kustomize", folder]:
            takes(tmp_path, kustomized(folder))
        case ["kubectl", "port-forward" | "scale" | "logs", what, *_]:
            names = {f"{thing['kind'].lower()}/{thing['metadata']['name']}" for thing in rendered()}
            assert what in names
            # It is understood; only nobody answers.
            done = shell(f"{line} --server=http://127.0.0.1:1")
            assert done.returncode and "connection" in done.stderr + done.stdout, done
        case _:
            pytest.fail(f"nothing tries `{line}`")


def takes_what_helm_makes(folder, name, options):
    values = {}
    for option, setting in zip(options[::2], options[1::2], strict=True):
        assert option == "--set"
        values = merged(values, helm_python.parse_set_string(setting))
    takes(folder, rendered(values, name=name))


def merged(one, other):
    """Both maps, and those below."""
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return other
    return one | {key: merged(one.get(key), value) for key, value in other.items()}


def takes(folder, objects):
    """Holds Kubernetes' own objects against its schemas."""
    file = folder / "objects.yaml"
    file.write_text(yaml.safe_dump_all(thing for thing in objects if "k8s.io" in thing["apiVersion"] or "." not in thing["apiVersion"]))
    execute("kubernetes-validate", "--strict", file)


def test_the_images_are_those_that_run_sh_builds():
    need("images", "docker")
    need_answer("images", "docker", "version")
    for image in IMAGES:
        execute("docker", "image", "inspect", image)
