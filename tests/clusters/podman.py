"""Pods of Kubernetes' objects on this machine, by `podman kube play`."""

import base64
import copy
import json
import os
import re
import resource
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import yaml

from controllers import place
from machine import IMAGES, LIMIT_S, execute, wait_until


DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Pods are on this machine, whatever proxy leads out of it."""
IMAGE_LIMIT_S = 900
"""Copying one is half a gigabyte, on a disk that others may use."""
POD_GROUP = 7700
"""fsGroup of the chart's pods."""


class Node:
    """Runs what controllers place. Nothing of it is left when its `with` ends."""

    def __init__(self, folder, tag):
        self.network = f"troop-clusters-{os.getpid()}"
        self.folder = folder
        self.tag = tag
        self.placed = {}
        self.env = os.environ | {
            "CONTAINERS_CONF": str(_configuration(folder)),
            # Health checks are run when a test asks; otherwise systemd would.
            "DISABLE_HC_SYSTEMD": "true",
        }

    def __enter__(self):
        for image in IMAGES:
            self._load(image)
            self.podman("tag", f"localhost/{image}", f"localhost/{image.split(':')[0]}:{self.tag}")
        self.podman("network", "create", self.network)
        return self

    def __exit__(self, *_):
        for name in self.placed:
            # Shown if the test fails.
            print(name, self.logs(name)[-4000:])
            self.remove(name)
        for name in self._volumes():
            self.podman("volume", "rm", "--force", name)
        self.podman("network", "rm", "--force", self.network)

    def _load(self, image):
        """Takes an image from the Docker engine, unless it is here already."""
        wanted = execute("docker", "image", "inspect", "--format={{.Id}}", image)
        if wanted.split(":")[-1] in self.podman("images", "--no-trunc", "--format={{.Id}}"):
            return
        archive = self.folder / "image.tar"
        execute("docker", "save", "--output", archive, image, limit_s=IMAGE_LIMIT_S)
        execute("podman", "load", "--quiet", "--input", archive, env=self.env, limit_s=IMAGE_LIMIT_S)
        archive.unlink()

    def podman(self, *arguments, stdin=None):
        return execute("podman", *arguments, env=self.env, stdin=stdin, limit_s=LIMIT_S)

    def apply(self, objects):
        """What `kubectl apply` would end in."""
        shared = [thing for thing in objects if thing["kind"] == "ConfigMap"]
        claims = [thing for thing in objects if thing["kind"] == "PersistentVolumeClaim"]
        for secret in (thing for thing in objects if thing["kind"] == "Secret"):
            self._secret(secret["metadata"]["name"], secret["data"])
        # Learners first: the run that is committed is over before an actor asks for its name a third time.
        for placed in sorted(place(objects), key=lambda placed: not placed.services):
            for claim in (*claims, *placed.claims):
                self._claim(claim["metadata"]["name"])
            self.placed[placed.name] = placed
            self._play([*shared, _for_podman(placed.pod)], *[f"alias={name}" for name in placed.services])

    def _claim(self, name):
        """A volume as a claim gets it; one that is there stays."""
        if name not in self._volumes():
            self.podman("volume", "create", name)

    def _secret(self, name, data):
        """A volume with its files, as the kubelet makes it: Podman 4.3 leaves them in base64."""
        self._claim(f"troop-secret-{name}")
        folder = self.volume(f"troop-secret-{name}")
        for key, value in data.items():
            file = folder / key
            file.write_bytes(base64.b64decode(value))
            file.chmod(0o440)
            os.chown(file, 0, POD_GROUP)

    def _play(self, objects, *aliases):
        network = ":".join([self.network, ",".join(aliases)]) if aliases else self.network
        text = yaml.safe_dump_all(objects)
        self.podman("kube", "play", f"--network={network}", "-", stdin=text)

    def containers(self, name):
        """What Podman knows of a pod's containers, without the one that holds its network."""
        listed = self.podman("ps", "--all", f"--filter=pod={name}", "--format={{.Names}}").split()
        return [json.loads(self.podman("inspect", it))[0] for it in listed if not it.endswith("-infra")]

    def code(self, name):
        """The exit code of a pod's only container; none while it runs."""
        (container,) = self.containers(name)
        state = container["State"]
        return None if state["Running"] else state["ExitCode"]

    def address(self, name):
        listed = self.podman("ps", "--all", f"--filter=pod={name}", "--format={{.Names}}").split()
        (infra,) = [it for it in listed if it.endswith("-infra")]
        return json.loads(self.podman("inspect", infra))[0]["NetworkSettings"]["Networks"][self.network]["IPAddress"]

    def get(self, name, port, path, token):
        """What a pod answers over HTTP; none while it does not."""
        url = f"http://{self.address(name)}:{port}{path}"
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
        try:
            with DIRECTLY.open(request, timeout=5) as answer:
                return answer.read().decode()
        except (OSError, urllib.error.URLError):
            return None

    def healthy(self, name):
        """Whether the pod's probe succeeds, run inside it as the kubelet does."""
        probe = self.placed[name].pod["spec"]["containers"][0]["livenessProbe"]["exec"]["command"]
        (container,) = self.containers(name)
        try:
            self.podman("exec", container["Name"], *probe)
        except AssertionError:
            return False
        return True

    def stop(self, name):
        """Evicts a pod: SIGTERM, and its grace period."""
        grace = self.placed[name].pod["spec"]["terminationGracePeriodSeconds"]
        for container in self.containers(name):
            self.podman("stop", f"--time={grace}", container["Name"])

    def remove(self, name):
        """Deletes a pod. One that ends or starts again at that moment is tried once more."""
        command = ["podman", "pod", "rm", "--force", "--ignore", "--time=0", name]
        gone = lambda: subprocess.run(command, env=self.env, capture_output=True).returncode == 0  # noqa: E731
        self.wait_for(f"{name} to be gone", gone)

    def logs(self, name):
        """What its containers wrote."""
        lines = [f"podman logs {container['Name']} 2>&1" for container in self.containers(name)]
        return "".join(execute("sh", "-c", line, env=self.env) for line in lines)

    def volume(self, name):
        """Where a claim's files are."""
        return Path(self.podman("volume", "inspect", "--format={{.Mountpoint}}", name).strip())

    def _volumes(self):
        named = self.podman("volume", "ls", "--format={{.Name}}").split()
        return [name for name in named if name.startswith(("troop-", "runs-troop-", "journal-troop-"))]

    def wait_for(self, what, look):
        return wait_until(what, look, LIMIT_S)


def _for_podman(pod):
    """
    A pod as Podman 4.3 runs it: it would publish each port on this machine, where Kubernetes only reads them, and leaves `$(NAME)` in
    arguments as it is.
    """
    pod = copy.deepcopy(pod)
    for container in pod["spec"]["containers"]:
        container.pop("ports", None)
        known = {it["name"]: _value(it, pod["metadata"]) for it in container.get("env", [])}
        written = lambda name, known=known: known[name[1]]  # noqa: E731
        container["args"] = [re.sub(r"\$\((\w+)\)", written, word) for word in container["args"]]
        container["env"] = [{"name": name, "value": value} for name, value in known.items()]
    for volume in pod["spec"]["volumes"]:
        if secret := volume.pop("secret", None):
            assert all(item["key"] == item["path"] for item in secret.get("items", []))
            volume["persistentVolumeClaim"] = {"claimName": f"troop-secret-{secret['secretName']}"}
    return pod


def _value(variable, metadata):
    """What the kubelet would give a variable: a text, or what a field of the pod says."""
    if "value" in variable:
        return variable["value"]
    path = variable["valueFrom"]["fieldRef"]["fieldPath"]
    label = re.fullmatch(r"metadata\.labels\['(.*)'\]", path)
    return metadata["labels"][label[1]] if label else metadata[path.removeprefix("metadata.")]


def _configuration(folder):
    """Podman's own limits are above what this machine may allow, and crun knows only cgroups of one version."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    mixed = Path("/sys/fs/cgroup/unified").exists() and shutil.which("runc")
    path = folder / "containers.conf"
    lines = [
        "[containers]",
        f'default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]',
        "[engine]",
        'cgroup_manager = "cgroupfs"',
        *(['runtime = "runc"'] if mixed else []),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
