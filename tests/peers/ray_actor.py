"""Measures a Ray actor as a parameter server: gradients and weights go through Ray's object store."""

import os
import secrets
import tempfile
import time
import warnings

# Read when ray is imported. Without a cluster Ray stays on the loopback interface, here as on Windows and macOS.
# With a token of its own it writes none into the home directory.
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)

import numpy as np
import ray
import torch

from measurement import Measured, Options, gradients_sent, measure, parse_options, report, warm_up
from parameters import Parameters, gradient_of

OBJECT_STORE_BYTES = 2 << 30
PROCESSES_END_S = 30


@ray.remote(num_cpus=1)
class Server:
    """The parameter server."""

    def __init__(self, floats: int) -> None:
        torch.set_num_threads(1)
        # Ray's arrays are read-only views of the object store, and gradients are only read.
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        self.parameters = Parameters(floats)

    def push(self, gradient: np.ndarray) -> np.ndarray:
        """Applies a gradient and answers with the weights, which Ray copies into the object store."""
        self.parameters.apply(torch.from_numpy(gradient))
        return self.parameters.weights.numpy()

    def pid(self) -> int:
        """The process that this actor runs in."""
        return os.getpid()

    def fault(self, sent: int) -> str | None:
        """What is wrong after `sent` gradients, if anything."""
        return self.parameters.fault(sent)


@ray.remote(num_cpus=1)
class Worker:
    """Sends gradients to the server."""

    def __init__(self, server: ray.actor.ActorHandle, options: Options) -> None:
        torch.set_num_threads(1)
        self.server = server
        self.options = options
        self.gradient = gradient_of(options.params).numpy()

    def pid(self) -> int:
        """The process that this actor runs in."""
        return os.getpid()

    def push(self) -> ray.ObjectRef:
        """Sends a gradient; what comes back stands for the weights."""
        return self.server.push.remote(self.gradient)

    def warm_up(self) -> None:
        """The gradients that are not measured."""
        warm_up(self.push, ray.get)

    def measure(self) -> Measured:
        """The gradients that are."""
        return measure(self.push, ray.get, self.options)


def is_alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for_end(pids: list[int]) -> None:
    """Ray ends its actors' processes some seconds after its shutdown returns; the next measurement waits for that."""
    deadline = time.monotonic() + PROCESSES_END_S
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)


def run(options: Options) -> tuple[list[Measured], str | None, list[int]]:
    """Runs server and workers on the Ray that `main` started; the last of the results are their processes."""
    server = Server.remote(options.params)
    workers = [Worker.remote(server, options) for _ in range(options.workers)]
    pids = ray.get([actor.pid.remote() for actor in [server, *workers]])
    ray.get([worker.warm_up.remote() for worker in workers])
    measured = ray.get([worker.measure.remote() for worker in workers])
    return measured, ray.get(server.fault.remote(gradients_sent(measured))), pids


def main() -> None:
    options = parse_options(__doc__)
    with tempfile.TemporaryDirectory(prefix="ray-") as folder:
        ray.init(
            num_cpus=options.workers + 1,
            object_store_memory=OBJECT_STORE_BYTES,
            include_dashboard=False,
            logging_level="warning",
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        try:
            measured, fault, pids = run(options)
        finally:
            ray.shutdown()
        wait_for_end(pids)
    report("Ray actor", options, measured, fault)


if __name__ == "__main__":
    main()
