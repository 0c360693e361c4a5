"""docker-compose.yml is what Compose v1 and v2 read alike, and it hands the learner any option that it is given."""

import re
import shlex

import pytest
import yaml
from compose_spec import PyCompose

from compose import CHECKOUT, compose_command, execute

FILE = (CHECKOUT / "docker-compose.yml").read_text()
PINNED = re.compile(r"[a-z/-]+@sha256:[0-9a-f]{64}")


def interpolated():
    """As it is where no variable is set, with its anchors resolved."""
    return yaml.safe_dump(yaml.safe_load(re.sub(r"\$\{[A-Z_]+:-([^}]*)\}", r"\1", FILE)))


def test_the_compose_that_is_here_reads_it():
    """Debian 12 has v1 (1.29), which checks files against its own schema."""
    execute(*compose_command(), "config", "--quiet")


def test_compose_v2_reads_it():
    services = PyCompose.from_yaml(interpolated()).service_names()
    assert sorted(services) == ["act", "actor", "grafana", "learner", "prometheus", "replay", "train"]
    with pytest.raises(ValueError, match="sometimes"):
        PyCompose.from_yaml(interpolated().replace("restart: on-failure", "restart: sometimes"))


def test_images_that_are_pulled_are_pinned():
    pulled = [image for image in re.findall(r"image: (\S+)", interpolated()) if not image.startswith("troop-")]
    assert len(pulled) == 2
    assert all(PINNED.fullmatch(image) for image in pulled), pulled


def words_of(command):
    """Those of a command, as Compose hands them to the engine: v1 shows a text, v2 has split it."""
    return shlex.split(command) if isinstance(command, str) else command


def test_options_reach_the_learner_as_words():
    arguments = "--seed 2 --set method.t_max=20 --set 'model.hidden=[32, 32]' --set learner.publish={updates=5}"
    expected = ["--seed", "2", "--set", "method.t_max=20", "--set", "model.hidden=[32, 32]"]
    expected += ["--set", "learner.publish={updates=5}"]
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "ARGS": arguments, "PRESET": "pong", "RUN": "4"}
    config = yaml.safe_load(execute(*compose_command(), "config", env=environment))
    words = words_of(config["services"]["learner"]["command"])
    assert words[-len(expected) :] == expected
    assert words[:3] == ["--experiment=pong", "--run-dir=/runs/pong-4", "--resume-or-start"]


def test_without_options_there_are_none():
    services = PyCompose.from_yaml(interpolated()).to_dict()["services"]
    words = words_of(services["learner"]["command"])
    assert words[0] == "--experiment=cartpole"
    assert words[-1] == "--link=Grafana=http://localhost:3000"


def test_no_key_is_listed_that_options_could_set():
    """Those that stay are the network's own; a list of all of them would have to be kept in step with the code."""
    listed = set(re.findall(r"^      (TROOP__[A-Z0-9_]+):", FILE, re.MULTILINE))
    assert listed == {
        "TROOP__LEARNER__LISTEN",
        "TROOP__LEARNER__HTTP",
        "TROOP__SECURITY__ALLOW_INSECURE_LISTEN",
        "TROOP__TELEMETRY__LAST_SCRAPE_S",
    }


def test_what_people_open_is_on_loopback():
    services = PyCompose.from_yaml(interpolated()).to_dict()["services"]
    published = {name: port.split(":")[0] for name, service in services.items() for port in service.get("ports", [])}
    assert published == {name: "127.0.0.1" for name in ("learner", "prometheus", "grafana")}


def test_every_root_file_system_is_read_only():
    services = PyCompose.from_yaml(interpolated()).to_dict()["services"]
    assert {name: service.get("read_only") for name, service in services.items()} == dict.fromkeys(services, True)
