"""What the images are made of."""

import re
import subprocess

import pytest

from compose import BASE, CHECKOUT, IMAGES, execute, inspect

LIMIT_BYTES = 40_000_000
NATIVE_LIMIT_BYTES = 30_000_000


@pytest.mark.parametrize("name", ["learner", "replay"])
def test_what_has_no_environments_adds_little_to_its_base(name):
    added = inspect(IMAGES[name])["Size"] - inspect(BASE)["Size"]
    print(f"the {name}'s image adds {added / 1e6:.1f} MB to {BASE}")
    assert 0 < added <= LIMIT_BYTES


def test_workers_for_native_environments_bring_nothing_else():
    size = inspect(IMAGES["actor-native"])["Size"]
    print(f"their image has {size / 1e6:.1f} MB")
    assert size <= NATIVE_LIMIT_BYTES
    shell = ["docker", "run", "--rm", "--entrypoint=sh", IMAGES["actor-native"]]
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.returncode == 127 and "not found" in done.stderr, done


@pytest.mark.parametrize("name", IMAGES)
def test_settings(name):
    config = inspect(IMAGES[name])["Config"]
    program = f"troop-{name.removesuffix('-native')}"
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
