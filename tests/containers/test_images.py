"""What the images are made of."""

import re
import subprocess

import pytest

from compose import ACTORS, BASE, CHECKOUT, IMAGES, execute, inspect

LIMIT_BYTES = 40_000_000
# Of images that are made of nothing but what workers need.
WORKERS_LIMIT_BYTES = {"actor-native": 30_000_000, "actor-gymnasium": 120_000_000}


@pytest.mark.parametrize("name", ["learner", "replay"])
def test_what_has_no_environments_adds_little_to_its_base(name):
    added = inspect(IMAGES[name])["Size"] - inspect(BASE)["Size"]
    print(f"the {name}'s image adds {added / 1e6:.1f} MB to {BASE}")
    assert 0 < added <= LIMIT_BYTES


@pytest.mark.parametrize(("name", "limit_bytes"), WORKERS_LIMIT_BYTES.items())
def test_some_images_bring_nothing_but_what_workers_need(name, limit_bytes):
    size = inspect(IMAGES[name])["Size"]
    print(f"the {name}'s image has {size / 1e6:.1f} MB")
    assert size <= limit_bytes
    shell = ["docker", "run", "--rm", "--entrypoint=sh", IMAGES[name]]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.returncode == 127 and "not found" in done.stderr, done


@pytest.mark.parametrize("name", IMAGES)
def test_settings(name):
    config = inspect(IMAGES[name])["Config"]
    program = "troop-actor" if name in ACTORS else f"troop-{name}"
    assert config["User"] == "7700:7700"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][:3] == ["CMD", program, "--probe"]
    assert config["Entrypoint"] == [program]
    (version,) = re.findall(r'^version = "(.*)"', (CHECKOUT / "Cargo.toml").read_text(), re.MULTILINE)
    assert config["Labels"]["org.opencontainers.image.version"] == version
    said = execute("docker", "run", "--rm", IMAGES[name], "--version").split()
    assert said == [program, version]


def test_no_image_has_libtorch_and_no_compiler_is_left():
    without_python = "libtorch* libpython*"
    for name, absent in {"learner": without_python, "replay": without_python, "actor": "libtorch* cc1plus rustc"}.items():
        names = " -o ".join(f"-name '{pattern}'" for pattern in absent.split())
        found = execute("docker", "run", "--rm", "--entrypoint=sh", IMAGES[name], "-c", f"find / -xdev {names} 2>/dev/null || true")
        assert not found, found
