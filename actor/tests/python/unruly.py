"""An environment that fails when it is told to, for tests/gymnasium_host.rs."""

import os
import sys
import time

import gymnasium
import numpy as np

FINE, RAISE, EXIT, HANG, END = range(5)


class Unruly(gymnasium.Env):
    """Counts its steps; the action says how to behave."""

    observation_space = gymnasium.spaces.Box(0, np.inf, (2,), np.float64)
    action_space = gymnasium.spaces.Discrete(5)

    def __init__(self, reset_s: float = 0.0) -> None:
        self._reset_s = reset_s

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        time.sleep(self._reset_s)
        self._steps = 0
        print("an episode begins")
        return np.array([0.0, -1.0]), {}

    def step(self, action):
        self._steps += 1
        if action == RAISE:
            raise RuntimeError("raised as asked")
        if action == EXIT:
            print("leaving as asked", file=sys.stderr, flush=True)
            os._exit(7)
        if action == HANG:
            time.sleep(3600)
        return np.array([self._steps, action]), 0.5, False, action == END, {}


gymnasium.register("Unruly-v0", Unruly)
