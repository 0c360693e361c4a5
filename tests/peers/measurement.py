"""What all peers have in common: options, a worker's loop, and the report."""

import argparse
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TypeVar

Pending = TypeVar("Pending")

WARM_UP_GRADIENTS = 5


@dataclass(frozen=True)
class Options:
    """One measurement: `params` floats, `in_flight` unanswered gradients a worker, for `seconds`."""

    params: int
    workers: int
    in_flight: int
    seconds: float
    json: bool


@dataclass(frozen=True)
class Measured:
    """What one worker saw after its warm-up: gradients answered with weights, and how long that took."""

    gradients: int
    seconds: float


def parse_options(description: str | None) -> Options:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--params", type=positive, default=680_000, help="floats in the model (default 680000)")
    parser.add_argument("--workers", type=positive, default=2, help="worker processes (default 2)")
    parser.add_argument("--in-flight", type=int, choices=[1, 2], default=1, help="unanswered gradients a worker")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long to measure (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a line of text")
    return Options(**vars(parser.parse_args()))


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected at least 1, found {number}")
    return number


def warm_up(push: Callable[[], Pending], wait: Callable[[Pending], object]) -> None:
    """Connections, buffers and threads are made at the first gradients, which are not measured."""
    for _ in range(WARM_UP_GRADIENTS):
        wait(push())


def measure(push: Callable[[], Pending], wait: Callable[[Pending], object], options: Options) -> Measured:
    """Sends gradients with at most `in_flight` unanswered until the time is over, and waits for every answer."""
    pending: deque[Pending] = deque()
    gradients = 0
    start = time.perf_counter()
    while time.perf_counter() < start + options.seconds:
        pending.append(push())
        gradients += 1
        if len(pending) == options.in_flight:
            wait(pending.popleft())
    while pending:
        wait(pending.popleft())
    return Measured(gradients, time.perf_counter() - start)


def gradients_sent(measured: list[Measured]) -> int:
    """All gradients that the server must have applied, those of the warm-up included."""
    return sum(worker.gradients + WARM_UP_GRADIENTS for worker in measured)


def report(peer: str, options: Options, measured: list[Measured], fault: str | None) -> None:
    """Prints the result; exits with status 1 where the server's state is not what the gradients sent must give."""
    if fault is not None:
        sys.exit(f"{peer}: {fault}")
    rate = sum(worker.gradients / worker.seconds for worker in measured)
    if options.json:
        settings = {key: value for key, value in asdict(options).items() if key != "json"}
        print(json.dumps({"peer": peer, **settings, "gradients_per_second": rate}))
    else:
        print(
            f"{peer}: {rate:,.1f} gradients/s of {options.params:,} floats, "
            f"{options.workers} workers together, {options.in_flight} in flight each"
        )
