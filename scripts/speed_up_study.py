#!/usr/bin/env python3
"""How much sooner more workers get there: Table 2 of Mnih et al. 2016 on a small scale.

Each step of a worker's environments sleeps, so that time is the environments' and two cores carry 16 workers. Runs go
into runs/speed-up; it can be stopped and started again. Makes a page with tables and pictures.

    scripts/speed_up_study.py [--experiments cartpole cartpole-onestepq acrobot] [--seeds 3] [--sleep-us 5000] [--page FILE]
"""

from pathlib import Path

from study import Run, parser, plain_name, report, run_all


def main() -> None:
    """Runs everything and makes the page."""
    options = parser(__doc__.splitlines()[0], "runs/speed-up")
    options.add_argument("--experiments", nargs="+", default=["cartpole", "cartpole-onestepq", "acrobot"])
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--sleep-us", type=int, default=5_000, help="each step of a worker's environments")
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--page", type=Path, help="e.g. docs/results/speed-up.md; without it, it is printed")
    arguments = options.parse_args()
    settings = [
        "experiment.stop_when_solved=true",
        f"environment.step_sleep_us={arguments.sleep_us}",
        *arguments.set,
    ]
    runs = [
        Run(f"{plain_name(experiment)}-{workers}-{seed}", experiment, seed, workers, settings)
        # The quickest first: what is wrong shows early.
        for workers in sorted(arguments.workers, reverse=True)
        for experiment in arguments.experiments
        for seed in range(1, arguments.seeds + 1)
    ]
    run_all(arguments, runs)
    report(arguments, "speed-up", arguments.page)


if __name__ == "__main__":
    main()
