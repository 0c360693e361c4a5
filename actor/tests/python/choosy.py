"""An environment with several choices at once, not all of them open, for tests/gymnasium_host.rs."""

import gymnasium
import numpy as np


class Choosy(gymnasium.Env):
    """Shows the last action. Its second choice is as its first was; no two steps in a row take the same first one."""

    observation_space = gymnasium.spaces.Box(-9, 9, (2,), np.float32)
    action_space = gymnasium.spaces.MultiDiscrete([2, 3], start=[-1, 5])

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._last = np.zeros(2)
        return self._last, self._info(first=None)

    def step(self, action):
        assert self.action_space.contains(action), action
        self._last = action - self.action_space.start
        ended = bool(self._last[1] == 2)
        return self._last, 1.0, ended, False, self._info(first=int(self._last[0]))

    def _info(self, first):
        return {"action_mask": (np.arange(2) != first, np.array([True, True, first != 0]))}


gymnasium.register("Choosy-v0", Choosy)
