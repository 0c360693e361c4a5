"""
What a newcomer does first, on a machine where nothing is prepared.

The first command compiles all that it needs there. For the second, Cargo finds what was compiled from the same files for the
tests outside: that takes a quarter of an hour, and shows nothing that the first command and the images do not.
"""

import re
from functools import partial

from compose import CHECKOUT
from fresh_machine import FreshMachine

COMPILES_S = 3000
"""With all tests, on two busy cores, if nothing is compiled yet."""

# By pytest at all, by Cargo without a reason.
LEFT_OUT = re.compile(r"\b[1-9]\d* (?:skipped|deselected|xfailed)\b|^test .* ignored$", re.MULTILINE)
PROGRAMS = ("chromium", "chromedriver", "prometheus", "promtool")


def readmes_commands():
    (block,) = re.findall(r"^## Two commands$.*?^```$(.*?)^```$", (CHECKOUT / "README.md").read_text(), re.M | re.S)
    return [line.split("#")[0].strip() for line in block.strip().splitlines()]


def test_the_readmes_commands_do_what_they_say_and_leave_nothing_out():
    commands = readmes_commands()
    assert commands == ["make train", "make test"]
    with FreshMachine() as machine:
        train, test = (partial(succeed, machine, command) for command in commands)
        train()
        machine.bring_what_is_compiled()
        written = test()
    assert re.search(r"^test result: ok\. [1-9]", written, re.MULTILINE) and re.search(r"\b[1-9]\d* passed in ", written)


def succeed(machine, command):
    """What a command writes that leaves nothing out."""
    code, written = machine.run(command, COMPILES_S)
    print(written[-20_000:])
    assert code == 0, f"{command} ended with {code}"
    assert not LEFT_OUT.findall(written)
    return written


def test_what_is_missing_is_said_before_anything_is_fetched_or_compiled():
    with FreshMachine(user="person") as machine:
        code, written = machine.run("make test", limit_s=60)
        assert code != 0
        assert "apt-get install" in written
        assert all(program in written for program in PROGRAMS), written
        assert not machine.has(".venv") and not machine.has(".libtorch") and not machine.has("target")


def test_sudo_brings_what_tests_need():
    with FreshMachine("with-sudo", user="person") as machine:
        code, written = machine.run("scripts/test-packages.sh tests", limit_s=600)
        assert code == 0, written
        for program in PROGRAMS:
            assert machine.run(f"{program} --version", limit_s=60)[0] == 0, program
        assert machine.run("scripts/test-packages.sh tests", limit_s=60) == (0, "")
        assert not machine.has("/usr/sbin/policy-rc.d")
