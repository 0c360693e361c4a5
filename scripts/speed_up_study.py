#!/usr/bin/env python3
"""How much sooner more workers get there: Table 2 of Mnih et al. 2016 in its own set-up, on small tasks.

As there, a worker has one environment and sends a gradient each 5 steps, target networks are taken by frames, and a run is
over when what is learnt reaches a score, evaluated apart from training. Each step of an environment sleeps, so that time is
the environments' and two cores carry 16 workers; runs of fewer workers go on side by side. Runs go into runs/speed-up; it
can be stopped and started again. Makes a page with tables and pictures.

    scripts/speed_up_study.py [--experiments cartpole minatar-breakout] [--seeds 5] [--page FILE]
"""

from pathlib import Path

from study import Run, parser, plain_name, report, run_all

VALUE_METHOD = ["optimizer.learning_rate=2e-4", "method.target_sync={ frames = 1000 }", "exploration.anneal_frames=100000"]
"""Of the presets with a target network: theirs are for batches of 16 environments and more."""

CARTPOLE = ["environment.step_sleep_us=1000", "experiment.evaluate.every_env_steps=2000"]
MINATAR = [
    "environment.step_sleep_us=3000",
    "experiment.evaluate.every_env_steps=10000",
    "experiment.solve_return=5",
]

EXPERIMENTS = {
    "cartpole": [*CARTPOLE, "optimizer.learning_rate=5e-4"],
    "cartpole-onestepq": [*CARTPOLE, *VALUE_METHOD],
    "cartpole-sarsa": [*CARTPOLE, *VALUE_METHOD],
    "cartpole-nstepq": [*CARTPOLE, *VALUE_METHOD],
    "minatar-breakout": MINATAR,
    "minatar-breakout-onestepq": MINATAR,
}
"""What is changed in each preset beside the set-up: how long a step takes, how often it is looked whether the threshold is
reached, and where that is if the preset has none."""

THREADS = 16
"""Workers of all runs that go on at once."""


def main() -> None:
    """Runs everything and makes the page."""
    options = parser(__doc__.splitlines()[0], "runs/speed-up")
    options.add_argument("--experiments", nargs="+", default=list(EXPERIMENTS), metavar="EXPERIMENT")
    options.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--page", type=Path, help="e.g. docs/results/speed-up.md; without it, it is printed")
    arguments = options.parse_args()
    settings = [
        "environment.envs_per_worker=1",
        "method.t_max=5",
        "experiment.stop_when_solved=true",
        "experiment.solved_by=evaluation",
        "experiment.evaluate.episodes=20",
    ]
    runs = [
        Run(
            f"{plain_name(experiment)}-{workers}-{seed}",
            experiment,
            seed,
            workers,
            settings + EXPERIMENTS.get(plain_name(experiment), []) + arguments.set,
        )
        # The quickest first: what is wrong shows early.
        for workers in sorted(arguments.workers, reverse=True)
        for experiment in arguments.experiments
        for seed in range(1, arguments.seeds + 1)
    ]
    run_all(arguments, runs, threads=THREADS)
    report(arguments, "speed-up", arguments.page)


if __name__ == "__main__":
    main()
