"""Episodes of Gymnasium's own classic control as JSON, for tests/classic.rs to repeat.

By id, a list of episodes; each a list of steps: state before, action, observation after, reward, terminated, truncated.
"""

import json
import random

import gymnasium
import numpy

EPISODES = 12


def pushing(id: str, state: list[float], rng: random.Random) -> int | float:
    """Gets to each kind of end: with the movement for the cars, else at random."""
    if rng.random() < 0.3:
        return rng.randrange(3) if id in ("Acrobot-v1", "MountainCar-v0") else rng.uniform(-2.5, 2.5)
    match id:
        case "Acrobot-v1":
            return 2 if state[3] > 0 else 0
        case "MountainCar-v0":
            return 2 if state[1] > 0 else 0
        case "MountainCarContinuous-v0":
            return 1.0 if state[1] > 0 else -1.0
        case _:
            return rng.uniform(-2.5, 2.5)


def idle(id: str) -> int | float:
    return 1 if id in ("Acrobot-v1", "MountainCar-v0") else 0.0


def episode(environment: gymnasium.Env, id: str, pushes: bool, rng: random.Random) -> list:
    environment.reset(seed=rng.randrange(2**31))
    steps = []
    end = False
    while not end:
        state = [float(x) for x in environment.unwrapped.state]
        action = pushing(id, state, rng) if pushes else idle(id)
        given = numpy.array([action], numpy.float32) if isinstance(action, float) else action
        observation, reward, terminated, truncated, _ = environment.step(given)
        end = terminated or truncated
        observed = [float(x) for x in observation]
        steps.append([state, action, observed, float(reward), bool(terminated), bool(truncated)])
    return steps


def main() -> None:
    rng = random.Random(20)
    episodes = {}
    for id in ("Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"):
        environment = gymnasium.make(id)
        episodes[id] = [episode(environment, id, number % 4 > 0, rng) for number in range(EPISODES)]
    print(json.dumps(episodes))


main()
