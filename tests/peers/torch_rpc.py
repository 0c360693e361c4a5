"""Measures torch.distributed.rpc (TensorPipe) as a parameter server: gradients in, all weights out."""

import os
import sys
import tempfile
import warnings
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
import torch.distributed.rpc as rpc
import torch.multiprocessing as mp

import torch_rpc_server
from measurement import Measured, Options, gradients_sent, measure, parse_options, report, warm_up
from parameters import gradient_of

TIMEOUT_S = 60
WORKER_START_S = 120
SPAWN = mp.get_context("spawn")  # rpc's threads do not survive a fork


def join(name: str, rank: int, meeting: Path, options: Options) -> None:
    """Enters the group of all processes, which meet at a file; over the loopback interface only."""
    os.environ["TP_SOCKET_IFNAME"] = "lo"
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", message="You are using a Backend")  # torch's rpc, of torch's collectives
    backend = rpc.TensorPipeRpcBackendOptions(init_method=meeting.as_uri(), rpc_timeout=TIMEOUT_S)
    rpc.init_rpc(name, rank=rank, world_size=options.workers + 1, rpc_backend_options=backend)


def work(rank: int, meeting: Path, options: Options, start: Barrier, result: Connection) -> None:
    """A worker process: warms up, waits for the others, and measures."""
    join(f"worker{rank}", rank, meeting, options)
    gradient = gradient_of(options.params)

    def push() -> torch.futures.Future:
        return rpc.rpc_async("server", torch_rpc_server.push, args=(gradient,))

    def wait(future: torch.futures.Future) -> torch.Tensor:
        return future.wait()

    warm_up(push, wait)
    start.wait(WORKER_START_S)
    result.send(measure(push, wait, options))
    rpc.shutdown()


def start_workers(meeting: Path, options: Options, start: Barrier) -> list[tuple[SpawnProcess, Connection]]:
    """Starts the worker processes; each sends what it measured over its pipe, which closes with the process."""
    workers = []
    for rank in range(1, options.workers + 1):
        receiver, sender = SPAWN.Pipe(duplex=False)
        worker = SPAWN.Process(target=work, args=(rank, meeting, options, start, sender), daemon=True)
        worker.start()
        sender.close()
        workers.append((worker, receiver))
    return workers


def result_of(worker: SpawnProcess, receiver: Connection) -> Measured:
    """Waits for what a worker measured; ends this program where the worker ended without."""
    try:
        return receiver.recv()
    except EOFError:
        sys.exit(f"{worker.name} ended before it had measured; its message is above")


def run(meeting: Path, options: Options) -> tuple[list[Measured], str | None]:
    """Serves in this process until the workers, which it starts, are done."""
    parameters = torch_rpc_server.serve(options.params)
    start = SPAWN.Barrier(options.workers)
    workers = start_workers(meeting, options, start)
    join("server", 0, meeting, options)
    measured = [result_of(*worker) for worker in workers]
    rpc.shutdown()
    for worker, _ in workers:
        worker.join()
    return measured, parameters.fault(gradients_sent(measured))


def main() -> None:
    options = parse_options(__doc__)
    with tempfile.TemporaryDirectory(prefix="torch-rpc-") as folder:
        measured, fault = run(Path(folder) / "meeting", options)
    report("torch.distributed.rpc", options, measured, fault)


if __name__ == "__main__":
    main()
