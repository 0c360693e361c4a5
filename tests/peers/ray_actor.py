"""Measures a Ray actor as a parameter server: gradients and weights go through Ray's object store."""

import os
import tempfile
import warnings

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when ray is imported

import numpy as np
import ray
import torch

from measurement import Measured, Options, gradients_sent, measure, parse_options, report, warm_up
from parameters import Parameters, gradient_of

OBJECT_STORE_BYTES = 2 << 30


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

    def push(self) -> ray.ObjectRef:
        """Sends a gradient; what comes back stands for the weights."""
        return self.server.push.remote(self.gradient)

    def warm_up(self) -> None:
        """The gradients that are not measured."""
        warm_up(self.push, ray.get)

    def measure(self) -> Measured:
        """The gradients that are."""
        return measure(self.push, ray.get, self.options)


def run(options: Options) -> tuple[list[Measured], str | None]:
    """Runs server and workers on the Ray that `main` started."""
    server = Server.remote(options.params)
    workers = [Worker.remote(server, options) for _ in range(options.workers)]
    ray.get([worker.warm_up.remote() for worker in workers])
    measured = ray.get([worker.measure.remote() for worker in workers])
    return measured, ray.get(server.fault.remote(gradients_sent(measured)))


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
            result = run(options)
        finally:
            ray.shutdown()
    report("Ray actor", options, *result)


if __name__ == "__main__":
    main()
