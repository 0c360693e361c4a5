"""docker-compose.yml is what Compose v1 and v2 read alike, and it passes every key of the configuration on."""

import re
import subprocess

import pytest
from compose_spec import PyCompose

from compose import CHECKOUT, compose_command, execute

FILE = (CHECKOUT / "docker-compose.yml").read_text()
DOCUMENTED_KEY = re.compile(r"^\| `([a-z0-9_]+(?:\.[a-z0-9_]+)+)` \|", re.MULTILINE)
PINNED = re.compile(r"[a-z/-]+@sha256:[0-9a-f]{64}")


def interpolated():
    """As it is where no variable is set."""
    return re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", FILE)


def test_the_compose_that_is_here_reads_it():
    """Debian 12 has v1 (1.29), which checks files against its own schema."""
    execute(*compose_command(), "config", "--quiet")


def test_compose_v2_reads_it():
    services = PyCompose.from_yaml(interpolated()).service_names()
    assert sorted(services) == ["actor", "grafana", "learner", "prometheus"]
    with pytest.raises(ValueError, match="sometimes"):
        PyCompose.from_yaml(interpolated().replace("restart: on-failure", "restart: sometimes"))


def test_images_that_are_pulled_are_pinned():
    pulled = [image for image in re.findall(r"image: (\S+)", interpolated()) if not image.startswith("troop-")]
    assert len(pulled) == 2
    assert all(PINNED.fullmatch(image) for image in pulled), pulled


def test_every_key_of_the_configuration_can_be_set():
    keys = DOCUMENTED_KEY.findall((CHECKOUT / "docs/configuration.md").read_text())
    assert len(keys) > 50
    expected = {f"TROOP__{key.replace('.', '__').upper()}" for key in keys}
    passed = set(re.findall(r"^      (TROOP__[A-Z0-9_]+):", FILE, re.MULTILINE))
    missing = "".join(f"\n      {name}:" for name in sorted(expected - passed))
    assert not missing, f"add to the learner's environment in docker-compose.yml:{missing}"
    assert not passed - expected, f"docs/configuration.md has no such keys: {passed - expected}"


def test_what_people_open_is_on_loopback():
    services = PyCompose.from_yaml(interpolated()).to_dict()["services"]
    published = {name: port.split(":")[0] for name, service in services.items() for port in service.get("ports", [])}
    assert published == {name: "127.0.0.1" for name in ("learner", "prometheus", "grafana")}


def test_every_root_file_system_is_read_only():
    services = PyCompose.from_yaml(interpolated()).to_dict()["services"]
    assert {name: service.get("read_only") for name, service in services.items()} == dict.fromkeys(services, True)


def test_a_variable_reaches_the_learner():
    config = subprocess.run(
        [*compose_command(), "config"],
        cwd=CHECKOUT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", "TROOP__METHOD__T_MAX": "7", "PRESET": "pong", "RUN": "4"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert re.search(r"TROOP__METHOD__T_MAX: ['\"]?7", config)
    assert "--run-dir=/runs/pong-4" in config
