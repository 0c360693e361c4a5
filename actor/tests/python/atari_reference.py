"""One game by Gymnasium's own wrappers, a JSON line a step, for tests/gymnasium_host.rs to repeat.

Arguments: id, seed of all environments, number of environments, steps, side of a frame. Each line holds, for each environment, the
action, reward, both flags, and the checksums of the observation and of the final observation (0 where there is none).
"""

import json
import random
import sys
import zlib

import ale_py
import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

gymnasium.register_envs(ale_py)


def make(id: str, size: int) -> gymnasium.Env:
    environment = gymnasium.make(id, frameskip=1, repeat_action_probability=0.0, max_num_frames_per_episode=108_000)
    environment = AtariPreprocessing(environment, noop_max=30, frame_skip=4, screen_size=size)
    return FrameStackObservation(environment, 4)


def checksum(observation: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(observation))


def main() -> None:
    id, seed, count, steps, size = sys.argv[1], *map(int, sys.argv[2:])
    rng = random.Random(3)
    environments = [make(id, size) for _ in range(count)]
    first = []
    for index, environment in enumerate(environments):
        own_seed = np.random.SeedSequence(entropy=seed, spawn_key=(index,)).generate_state(1, np.uint32)[0]
        own_seed = int(own_seed) & 0x7FFF_FFFF
        first.append(checksum(environment.reset(seed=int(own_seed))[0]))
    print(json.dumps(first))
    for _ in range(steps):
        line = []
        for environment in environments:
            action, final = rng.randrange(int(environment.action_space.n)), 0
            observation, reward, terminated, truncated, _ = environment.step(action)
            if terminated or truncated:
                final = checksum(observation)
                observation, _ = environment.reset()
            line.append([action, reward, bool(terminated), bool(truncated), checksum(observation), final])
        print(json.dumps(line))


main()
