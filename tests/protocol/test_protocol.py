"""The contract only grows: what a released actor or learner understands keeps its number and its type."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
CONTRACT = Path("troop/v1/parameter_server.proto")
BUF = Path(sys.executable).with_name("buf")


def breaks(proto):
    """What in the contract below `proto` the last release would misread."""
    released = CHECKOUT / "tests/protocol/released"
    found = subprocess.run([BUF, "breaking", proto, "--against", released], capture_output=True, text=True)
    return found.stdout + found.stderr


@pytest.fixture
def changed(tmp_path):
    shutil.copytree(CHECKOUT / "proto", tmp_path / "proto")
    file = tmp_path / "proto" / CONTRACT

    def change(pattern, replacement):
        text, changes = re.subn(pattern, replacement, file.read_text(), count=1)
        assert changes == 1
        file.write_text(text)
        return breaks(tmp_path / "proto")

    return change


def test_the_contract_is_the_releases_and_more():
    assert breaks(CHECKOUT / "proto") == ""


def test_a_new_field_is_no_break(changed):
    assert changed(r"message JoinRequest \{", "message JoinRequest {\n  uint32 more = 900;") == ""


def test_another_number_is_a_break(changed):
    assert "protocol" in changed(r"(uint32 protocol) = 1;", r"\1 = 901;")


def test_another_type_is_a_break(changed):
    assert "protocol" in changed(r"uint32 (protocol = 1;)", r"string \1")
