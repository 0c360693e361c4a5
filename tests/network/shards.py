#!/usr/bin/env python3
"""Where several learners pay: `troop bench ingest --shards` with a network of limited rate for each learner.

Each learner runs in a network namespace of its own, at the end of a link (veth) whose both directions carry so many Gbit/s and
no more (tc's token bucket). The other ends are in one more namespace, where senders run, and which forwards what learners tell
each other. Needs root, Linux with network namespaces, iproute2 and util-linux; nothing that it makes outlasts it.

    sudo python3 tests/network/shards.py --troop target/release/troop
    sudo python3 tests/network/shards.py --troop target/release/troop --shards 1 2 --gigabits 2.5 --seconds 20

Ends with 1 if several learners take less than they should, and with 2 if this machine cannot measure it.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

LEAST = {2: 1.8, 4: 3.4}
"""How many times what one learner takes so many have to take."""

BURST_BYTES = 256 << 10
"""That pass at once: a few of the largest packets of a veth."""

LATENCY_MS = 50
"""That bytes may wait for their turn; what would wait longer is dropped, as a switch does."""


class CannotMeasure(Exception):
    """This machine has not what it takes."""


def execute(*command: object) -> None:
    """Runs a command of iproute2, which has to succeed."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotMeasure(f"`{' '.join(words)}` failed: {done.stderr.strip()}")


class Namespace:
    """A network namespace. It is gone, with all links to it, when its `with` ends."""

    def __init__(self, role: str) -> None:
        self.name = f"troop-{os.getpid()}-{role}"

    def __enter__(self) -> "Namespace":
        execute("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        return self

    def __exit__(self, *_: object) -> None:
        execute("ip", "netns", "delete", self.name)

    def ip(self, *words: object) -> None:
        """Runs `ip` for it."""
        execute("ip", "-netns", self.name, *words)

    def command(self, *words: object) -> list[str]:
        """What runs a program in it."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *map(str, words)]


class Link:
    """A link with a limited rate between the senders' namespace and that of a learner."""

    def __init__(self, senders: Namespace, learner: Namespace, index: int) -> None:
        self.senders, self.learner = senders, learner
        self.outside, self.inside = f"learner-{index}", "uplink"
        # Four addresses each, in namespaces that nobody else sees.
        self.here, self.there = (f"10.77.{index}.{host}" for host in (1, 2))

    @property
    def place(self) -> str:
        """As --netns takes it."""
        return f"{self.learner.name}={self.there}"

    def connect(self, gigabits: float) -> None:
        """Makes it; it goes with its namespaces."""
        peer = ("peer", "name", self.inside, "netns", self.learner.name)
        self.senders.ip("link", "add", self.outside, "type", "veth", *peer)
        rate = ("rate", f"{round(gigabits * 1e9)}bit", "burst", BURST_BYTES, "latency", f"{LATENCY_MS}ms")
        ends = [(self.senders, self.outside, self.here), (self.learner, self.inside, self.there)]
        for namespace, device, address in ends:
            namespace.ip("address", "add", f"{address}/30", "dev", device)
            namespace.ip("link", "set", device, "up")
            execute("tc", "-netns", namespace.name, "qdisc", "add", "dev", device, "root", "tbf", *rate)
        self.learner.ip("route", "add", "default", "via", self.here)


def measure(options: argparse.Namespace, shards: int) -> dict:
    """What so many learners take, each at the end of its link."""
    with ExitStack() as stack:
        senders = stack.enter_context(Namespace("senders"))
        execute(*senders.command("sysctl", "--quiet", "net.ipv4.ip_forward=1"))
        learners = [stack.enter_context(Namespace(f"learner-{index}")) for index in range(shards)]
        links = [Link(senders, learner, index) for index, learner in enumerate(learners)]
        for link in links:
            link.connect(options.gigabits)
        places = [word for link in links for word in ("--netns", link.place)]
        command = [options.troop.resolve(), "bench", "ingest", "--params", options.params, "--shards", shards, *places, "--json"]
        command += ["--seconds", options.seconds, "--encoding", options.encoding]
        done = subprocess.run(senders.command(*command), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"`{' '.join(map(str, command))}` failed with status {done.returncode}; its message is above")
    return json.loads(done.stdout)


def table(found: dict[int, list[dict]]) -> tuple[str, bool]:
    """Medians as a Markdown table, and whether several learners take as much as they should."""
    lines = ["| learners | gradients/s | GB/s | to one learner | raw sockets, GB/s | ratio | skew p99, updates |"]
    lines.append("|---:|---:|---:|---:|---:|---:|---:|")
    one, enough = None, True
    for shards, reports in found.items():
        middle = lambda section, key: statistics.median(it.get(section, {}).get(key, 0) for it in reports)  # noqa: B023, E731
        rate = middle("learner", "gradients_per_second")
        gigabytes = middle("learner", "gigabytes_per_second")
        one = one or gigabytes
        gain = gigabytes / one
        enough = enough and gain >= LEAST.get(shards, 0)
        raw = middle("raw_socket", "gigabytes_per_second")
        skew = middle("shards", "skew_p99_updates")
        lines.append(f"| {shards} | {rate:.2f} | {gigabytes:.3f} | {gain:.2f} | {raw:.3f} | {gigabytes / raw:.2f} | {skew:.0f} |")
    return "\n".join(lines), enough


def check_machine() -> None:
    """Says what is missing before anything is made."""
    missing = [program for program in ("ip", "tc", "nsenter", "sysctl") if shutil.which(program) is None]
    if missing:
        raise CannotMeasure(f"expected {', '.join(missing)} in PATH, found none; Debian has them in iproute2, util-linux and procps")
    if os.geteuid():
        raise CannotMeasure("expected to run as root: only root makes network namespaces and limits rates")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--troop", type=Path, default=Path("target/release/troop"), help="the program")
    parser.add_argument("--shards", type=int, nargs="+", default=[1, 2, 4], help="numbers of learners; 1 is first")
    parser.add_argument("--params", type=int, default=10_000_000, help="parameters")
    parser.add_argument("--gigabits", type=float, default=1.0, help="Gbit/s of each link, in each direction")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--encoding", choices=["f32", "bf16"], default="f32", help="how gradients and weights travel")
    parser.add_argument("--repeat", type=int, default=1, help="rounds over all numbers; medians are shown")
    options = parser.parse_args()
    if options.shards[0] != 1:
        parser.error(f"expected --shards to begin with 1, which the others are compared with, found {options.shards[0]}")
    return options


def main() -> None:
    """Measures and prints the table."""
    options = parse()
    # Namespaces go also if it is asked to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found: dict[int, list[dict]] = {shards: [] for shards in options.shards}
    try:
        check_machine()
        for _ in range(options.repeat):
            for shards, reports in found.items():
                reports.append(measure(options, shards))
    except CannotMeasure as why:
        print(f"shards: {why}", file=sys.stderr)
        sys.exit(2)
    text, enough = table(found)
    print(text)
    if not enough:
        sys.exit(f"shards: expected at least {LEAST} times what one learner takes")


if __name__ == "__main__":
    main()
