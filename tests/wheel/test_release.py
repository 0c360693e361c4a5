"""What a release says of itself."""

import hashlib
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from machine import DIST

CHECKOUT = Path(__file__).resolve().parents[2]


def crates():
    """Name and version of each crate from elsewhere that Cargo.lock knows."""
    text = (CHECKOUT / "Cargo.lock").read_text()
    return set(re.findall(r'^name = "(.*)"\nversion = "(.*)"\nsource = ', text, re.MULTILINE))


def sums(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.skipif("AGAIN" not in os.environ, reason="a release that was there (DIST) is compared with none")
def test_another_directory_makes_the_same_bytes():
    assert sums(DIST) == sums(Path(os.environ["AGAIN"]))


def test_checksums_are_those_of_all_files():
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    told = {name.removeprefix("./"): digest for digest, name in map(str.split, lines)}
    found = sums(DIST)
    del found["SHA256SUMS"]
    assert told == found


def test_the_list_of_crates_is_whole_and_knows_no_path():
    (file,) = DIST.glob("*.cyclonedx.json")
    text = file.read_text()
    listed = json.loads(text)
    assert listed["bomFormat"] == "CycloneDX"
    found = {(component["name"], component["version"]) for component in listed["components"]}
    foreign = {crate for crate in found if not crate[0].startswith("troop")}
    assert len(foreign) > 100 and foreign <= crates()
    assert {"tokio", "tonic", "rustls", "troop-learner", "troop-actor", "troop-replay"} <= {name for name, _ in found}
    assert all(place.startswith("/troop/") for place in re.findall(r"file://(/[^\"#]*)", text))


def test_the_wheel_has_licences_and_no_path_of_its_machine():
    (wheel,) = DIST.glob("troop_rl-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (notices,) = [name for name in names if name.endswith("licenses/THIRD-PARTY.txt")]
        told = archive.read(notices).decode()
        assert re.search(r"^tokio \S+: MIT, ", told, re.MULTILINE) and "Permission is hereby granted" in told
        assert {"LICENSE-MIT", "LICENSE-APACHE"} <= {Path(name).name for name in names}
        assert "troop_gym_host/supervisor.py" in names
        here = str(Path.home()).encode() if Path.home() != Path("/") else b"/root"
        for name in names:
            found = archive.read(name)
            assert str(CHECKOUT).encode() not in found and here + b"/.cargo" not in found, name
