"""What the images are made of."""

import re

import pytest

from compose import BASE, CHECKOUT, IMAGES, execute, inspect

LIMIT_BYTES = 40_000_000


@pytest.mark.parametrize("name", ["learner", "replay"])
def test_what_has_no_environments_adds_little_to_its_base(name):
    added = inspect(IMAGES[name])["Size"] - inspect(BASE)["Size"]
    print(f"the {name}'s image adds {added / 1e6:.1f} MB to {BASE}")
    assert 0 < added <= LIMIT_BYTES


@pytest.mark.parametrize("name", IMAGES)
def test_settings(name):
    config = inspect(IMAGES[name])["Config"]
    assert config["User"] == "7700:7700"
    assert config["StopSignal"] == "SIGTERM"
    assert config["Healthcheck"]["Test"][:3] == ["CMD", f"troop-{name}", "--probe"]
    assert config["Entrypoint"] == [f"troop-{name}"]
    (version,) = re.findall(r'^version = "(.*)"', (CHECKOUT / "Cargo.toml").read_text(), re.MULTILINE)
    assert config["Labels"]["org.opencontainers.image.version"] == version
    said = execute("docker", "run", "--rm", IMAGES[name], "--version").split()
    assert said == [f"troop-{name}", version]


def test_no_image_has_libtorch_and_no_compiler_is_left():
    without_python = "libtorch* libpython*"
    for name, absent in {"learner": without_python, "replay": without_python, "actor": "libtorch* cc1plus rustc"}.items():
        names = " -o ".join(f"-name '{pattern}'" for pattern in absent.split())
        found = execute("docker", "run", "--rm", "--entrypoint=sh", IMAGES[name], "-c", f"find / -xdev {names} 2>/dev/null || true")
        assert not found, found
