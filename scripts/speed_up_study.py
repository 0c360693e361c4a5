#!/usr/bin/env python3
"""How much sooner more workers get there: Table 2 of Mnih et al. 2016 on a small scale.

Each step of a worker's environments sleeps, so that time is the environments' and two cores carry 16 workers. Runs go
into runs/speed-up; it can be stopped and started again. Makes a page with tables and pictures.

    scripts/speed_up_study.py [--experiments cartpole=2.5e-3 acrobot=1e-3] [--seeds 3] [--sleep-us 4000] [--page FILE]
"""

from pathlib import Path

from study import Run, parser, plain_name, report, run_all


# Each with its learning rate: the presets' batches come of 16 or 32 environments, smaller ones take smaller steps.
EXPERIMENTS = ["cartpole=2.5e-3", "cartpole-onestepq=1e-3", "acrobot=1e-3"]


def main() -> None:
    """Runs everything and makes the page."""
    options = parser(__doc__.splitlines()[0], "runs/speed-up")
    options.add_argument("--experiments", nargs="+", default=EXPERIMENTS, metavar="EXPERIMENT[=LEARNING_RATE]")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--sleep-us", type=int, default=4_000, help="each step of a worker's environments")
    # With the presets' 16 or 32 a worker's batch is so large that sixteen workers make few updates, all of them stale.
    options.add_argument("--environments", type=int, default=8, help="of each worker")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--page", type=Path, help="e.g. docs/results/speed-up.md; without it, it is printed")
    arguments = options.parse_args()
    settings = [
        "experiment.stop_when_solved=true",
        f"environment.step_sleep_us={arguments.sleep_us}",
        f"environment.envs_per_worker={arguments.environments}",
    ]
    runs = [
        run(experiment, workers, seed, settings, arguments.set)
        # The quickest first: what is wrong shows early.
        for workers in sorted(arguments.workers, reverse=True)
        for experiment in arguments.experiments
        for seed in range(1, arguments.seeds + 1)
    ]
    run_all(arguments, runs)
    report(arguments, "speed-up", arguments.page)


def run(experiment: str, workers: int, seed: int, settings: list[str], more: list[str]) -> Run:
    """One training of `EXPERIMENT[=LEARNING_RATE]`."""
    experiment, _, rate = experiment.partition("=")
    settings = settings + ([f"optimizer.learning_rate={rate}"] if rate else []) + more
    return Run(f"{plain_name(experiment)}-{workers}-{seed}", experiment, seed, workers, settings)


if __name__ == "__main__":
    main()
