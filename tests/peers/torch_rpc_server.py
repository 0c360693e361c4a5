"""What the workers of torch_rpc.py call at their server; a module of its own, as rpc finds functions by module."""

import threading

import torch

from parameters import Parameters


class Server:
    """The parameters of this process, and the lock that lets one of rpc's threads at a time update them."""

    def __init__(self, floats: int) -> None:
        self.parameters = Parameters(floats)
        self.lock = threading.Lock()


_servers: list[Server] = []


def serve(floats: int) -> Parameters:
    """Makes this process the server, before the first rpc can arrive."""
    _servers.append(Server(floats))
    return _servers[0].parameters


def push(gradient: torch.Tensor) -> torch.Tensor:
    """Applies a gradient and answers with the weights, which rpc reads while later gradients are applied."""
    server = _servers[0]
    with server.lock:
        server.parameters.apply(gradient)
    return server.parameters.weights
