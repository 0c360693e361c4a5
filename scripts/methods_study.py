#!/usr/bin/env python3
"""Every preset with several seeds, for docs/results/methods.md.

Runs go into runs/methods; `make report` makes the page of what is there. Can be stopped and started again.

    scripts/methods_study.py cartpole cartpole-nstepq [--seeds 5]
    scripts/methods_study.py memory --set model.lstm=none --suffix feedforward    # a variant, beside the preset
"""

from study import Run, parser, plain_name, run_all


def main() -> None:
    """Runs each preset with each seed."""
    options = parser(__doc__.splitlines()[0], "runs/methods")
    options.add_argument("presets", nargs="+", help="names or files, as `troop train` takes them")
    options.add_argument("--seeds", type=int, default=3)
    options.add_argument("--set", action="append", default=[], metavar="SECTION.KEY=VALUE")
    options.add_argument("--suffix", help="names what --set makes of the presets: PRESET-SUFFIX")
    arguments = options.parse_args()
    runs = [
        run(preset, seed, arguments.suffix, arguments.set)
        for seed in range(1, arguments.seeds + 1)
        for preset in arguments.presets
    ]
    run_all(arguments, runs)


def run(preset: str, seed: int, suffix: str | None, settings: list[str]) -> Run:
    """One training of a preset, or of the variant of it that `suffix` names."""
    name = plain_name(preset)
    if suffix is not None:
        name = f"{name}-{suffix}"
        settings = [f"experiment.name={name}", *settings]
    return Run(f"{name}-{seed}", preset, seed, settings=settings)


if __name__ == "__main__":
    main()
