"""Episodes of Gymnasium's own CartPole-v1 as JSON, for tests/cartpole.rs to repeat.

Each is a list of steps: state before, action, observation after, reward, terminated, truncated.
"""

import json
import random

import gymnasium


def steered(state: list[float], rng: random.Random) -> int:
    """Keeps the pole up well enough to meet the time limit, and the cart roughly in the middle."""
    x, x_dot, theta, theta_dot = state
    if rng.random() < 0.1:
        return rng.randrange(2)
    return int(theta + 0.4 * theta_dot + 0.05 * x + 0.1 * x_dot > 0)


def episode(environment: gymnasium.Env, start: list[float], steer: bool, rng: random.Random) -> list:
    environment.reset()
    environment.unwrapped.state = start
    steps = []
    end = False
    while not end:
        state = [float(x) for x in environment.unwrapped.state]
        action = steered(state, rng) if steer else rng.randrange(2)
        observation, reward, terminated, truncated, _ = environment.step(action)
        end = terminated or truncated
        observed = [float(x) for x in observation]
        steps.append([state, action, observed, float(reward), bool(terminated), bool(truncated)])
    return steps


def main() -> None:
    rng = random.Random(20)
    environment = gymnasium.make("CartPole-v1")
    episodes = []
    for number in range(120):
        near = [rng.uniform(-0.05, 0.05) for _ in range(4)]
        far = [rng.uniform(-2.3, 2.3), rng.uniform(-2, 2), rng.uniform(-0.2, 0.2), rng.uniform(-2, 2)]
        episodes.append(episode(environment, near if number % 2 else far, number % 3 == 0, rng))
    print(json.dumps(episodes))


main()
