#!/usr/bin/env python3
"""Every preset with several seeds, for docs/results/methods.md.

Runs go into runs/methods; `make report` makes the page of what is there. Can be stopped and started again.

    scripts/methods_study.py cartpole cartpole-nstepq [--seeds 5] [--set experiment.stop_when_solved=true]
"""

from study import Run, parser, plain_name, run_all


def main() -> None:
    """Runs each preset with each seed."""
    options = parser(__doc__.splitlines()[0], "runs/methods")
    options.add_argument("presets", nargs="+", help="names or files, as `troop train` takes them")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    arguments = options.parse_args()
    runs = [
        Run(name=f"{plain_name(preset)}-{seed}", experiment=preset, seed=seed, settings=arguments.set)
        for seed in range(1, arguments.seeds + 1)
        for preset in arguments.presets
    ]
    run_all(arguments, runs)


if __name__ == "__main__":
    main()
