#!/usr/bin/env python3
"""Scores over learning rates drawn log-uniformly: Figure 2 of Mnih et al. 2016 on a small scale.

Runs go into runs/robustness; it can be stopped and started again. Makes a page with a table and a picture.

    scripts/robustness_study.py [--experiments cartpole cartpole-nstepq] [--rates 30] [--page FILE]
"""

import math
import random
from pathlib import Path

from study import Run, parser, plain_name, report, run_all


def learning_rates(count: int, least: float, most: float) -> list[float]:
    """Rates from LogUniform(least, most), the same each time; more of them begin with fewer of them."""
    draw = random.Random(1602)
    return [math.exp(draw.uniform(math.log(least), math.log(most))) for _ in range(count)]


def main() -> None:
    """Runs everything and makes the page."""
    options = parser(__doc__.splitlines()[0], "runs/robustness")
    options.add_argument("--experiments", nargs="+", default=["cartpole", "cartpole-nstepq"])
    options.add_argument("--rates", type=int, default=30)
    # The paper's 1e-4 to 1e-2 suit summed losses; the presets' are means, and an order of magnitude more works.
    options.add_argument("--least", type=float, default=1e-4)
    options.add_argument("--most", type=float, default=1e-1)
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--page", type=Path, help="e.g. docs/results/robustness.md; without it, it is printed")
    arguments = options.parse_args()
    rates = learning_rates(arguments.rates, arguments.least, arguments.most)
    runs = [
        Run(
            name=f"{plain_name(experiment)}-{seed}",
            experiment=experiment,
            seed=seed,
            settings=[f"optimizer.learning_rate={rate:.4e}", *arguments.set],
        )
        for seed, rate in enumerate(rates, 1)
        for experiment in arguments.experiments
    ]
    run_all(arguments, runs)
    report(arguments, "robustness", arguments.page)


if __name__ == "__main__":
    main()
