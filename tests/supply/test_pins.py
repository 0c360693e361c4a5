"""What is fetched from elsewhere is named by its content: hashes of wheels, digests of images."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = (CHECKOUT / "deploy/docker/Dockerfile").read_text()
COMPOSE_FILE = (CHECKOUT / "docker-compose.yml").read_text()
DIGEST = re.compile(r"[a-z/-]+(?::[a-z0-9.-]+)?@sha256:[0-9a-f]{64}")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
INSTALLS = re.compile(r"^.*\bpip[\"' _,]+(?:install|download)\b.*$", re.MULTILINE)
WRAPPER = re.compile(r"pip_install\(\) |\"\$@\"")
# What comes out of the checkout itself, with build tools that are pinned.
LOCAL = "--no-deps --no-build-isolation"

WANTED = sorted(path for folder in ("actor", "scripts", "tests") for path in (CHECKOUT / folder).rglob("*.in"))


def lines(path):
    """A file's lines without comments; a line that is continued is one."""
    joined = re.sub(r"\\\n\s*", "", path.read_text())
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def pins(path):
    """Every requirement of a file of pins, with its number of hashes."""
    return [(Requirement(HASH.sub("", line).strip()), len(HASH.findall(line))) for line in lines(path)]


def test_there_is_something_to_look_at():
    assert len(WANTED) >= 9
    assert len(INSTALLS.findall(DOCKERFILE)) == 3


@pytest.mark.parametrize("wanted", WANTED, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_every_wheel_has_a_hash(wanted):
    found = pins(wanted.with_suffix(".txt"))
    assert found
    for requirement, hashes in found:
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes > 0, requirement


@pytest.mark.parametrize("wanted", WANTED, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_is_wanted_is_what_is_pinned(wanted):
    """`scripts/pin_python.sh` ran after the last change."""
    found = {(requirement.name, str(requirement.specifier)) for requirement, _ in pins(wanted.with_suffix(".txt"))}
    direct = [Requirement(line) for line in lines(wanted) if not line.startswith("-")]
    if wanted.name == "cuda.in":
        # It stands for what torch depends on.
        (torch,) = direct
        assert lines(CHECKOUT / "scripts/libtorch/torch.in") == [str(torch)]
        return
    assert {(requirement.name, str(requirement.specifier)) for requirement in direct} <= found


@pytest.mark.parametrize(
    "path",
    [
        *("deploy/docker/Dockerfile", "scripts/libtorch.py", "scripts/pin_python.sh", "scripts/release.sh"),
        *("scripts/setup.sh", "tests/clusters/run.sh"),
    ],
)
def test_pip_compares_hashes(path):
    text = re.sub(r"\\\n\s*", "", (CHECKOUT / path).read_text())
    calls = [call for call in INSTALLS.findall(text) if not WRAPPER.search(call)]
    assert calls
    assert all("--require-hashes" in call or LOCAL in call for call in calls), calls


def test_images_are_named_by_digests():
    stages = re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)
    assert len(stages) == DOCKERFILE.count("\nFROM ")
    known = {name for _, name in stages} | {"scratch"}
    bases = {base for base, _ in stages if base not in known}
    arguments = dict(re.findall(r"^ARG (\S+?)=(\S+)$", DOCKERFILE, re.MULTILINE))
    assert bases == {f"${{{name}}}" for name in arguments}
    pulled = re.findall(r"image: \$\{[A-Z]+_IMAGE:-(.*)\} # v?[0-9.]+$", COMPOSE_FILE, re.MULTILINE)
    assert len(pulled) + COMPOSE_FILE.count("image: troop-") == COMPOSE_FILE.count("image: ")
    for image in (*arguments.values(), *pulled):
        assert DIGEST.fullmatch(image), image
