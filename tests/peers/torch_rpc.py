"""Measures torch.distributed.rpc (TensorPipe) as a parameter server: gradients in, all weights out."""

import os
import socket
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier

import torch
import torch.distributed.rpc as rpc
import torch.multiprocessing as mp

import torch_rpc_server
from measurement import Measured, Options, gradients_sent, measure, parse_options, report, warm_up
from parameters import gradient_of

TIMEOUT_S = 60
WORKER_START_S = 120


def join(name: str, rank: int, port: int, options: Options) -> None:
    """Enters the group of all processes, over the loopback interface only."""
    os.environ["TP_SOCKET_IFNAME"] = "lo"
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    backend = rpc.TensorPipeRpcBackendOptions(init_method=f"tcp://127.0.0.1:{port}", rpc_timeout=TIMEOUT_S)
    rpc.init_rpc(name, rank=rank, world_size=options.workers + 1, rpc_backend_options=backend)


def work(rank: int, port: int, options: Options, start: Barrier, results: Queue) -> None:
    """A worker process: warms up, waits for the others, and measures."""
    join(f"worker{rank}", rank, port, options)
    gradient = gradient_of(options.params)

    def push() -> torch.futures.Future:
        return rpc.rpc_async("server", torch_rpc_server.push, args=(gradient,))

    warm_up(push, torch.futures.Future.wait)
    start.wait(WORKER_START_S)
    results.put(measure(push, torch.futures.Future.wait, options))
    rpc.shutdown()


def free_port() -> int:
    """A TCP port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def run(options: Options) -> tuple[list[Measured], str | None]:
    """Serves in this process until the workers, which it starts, are done."""
    port = free_port()
    context = mp.get_context("spawn")
    start, results = context.Barrier(options.workers), context.Queue()
    parameters = torch_rpc_server.serve(options.params)
    workers = [
        context.Process(target=work, args=(rank, port, options, start, results), daemon=True)
        for rank in range(1, options.workers + 1)
    ]
    for worker in workers:
        worker.start()
    join("server", 0, port, options)
    measured = [results.get(timeout=WORKER_START_S + options.seconds) for _ in workers]
    rpc.shutdown()
    for worker in workers:
        worker.join()
    return measured, parameters.fault(gradients_sent(measured))


def main() -> None:
    options = parse_options(__doc__)
    report("torch.distributed.rpc", options, *run(options))


if __name__ == "__main__":
    main()
