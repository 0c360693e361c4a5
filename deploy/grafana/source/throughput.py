"""*Throughput and staleness*: how fast, and on how old weights?"""

from grafana_foundation_sdk.builders import dashboard

from panels import LEARNER, Curve, Look, board, curves, heat, quantiles


def throughput() -> dashboard.Dashboard:
    """Env steps, frames, gradients, staleness, age of weights, queue wait, bytes."""
    return board(
        LEARNER,
        "troop-throughput",
        "Troop / Throughput and staleness",
        "How fast is it, and how old are the weights that gradients are computed on?",
        [*_rates(), *_staleness(), *_network()],
    )


def _rates() -> list:
    return [
        curves(
            LEARNER,
            "Env steps",
            "count:steps/s",
            "env steps a second",
            "Actions of the agent, all workers together. Falls: an actor was lost (Actors), or the learner or the"
            " network is the bottleneck (queue wait, bytes).",
            [Curve("rate(troop_learner_env_steps_total{I}[R])", "{{run}}")],
            Look(span=8, at_least=0),
        ),
        curves(
            LEARNER,
            "Frames",
            "count:frames/s",
            "frames a second",
            "Env steps × frame skip: what papers count for Atari. It differs from env steps by a constant; where it"
            " does not, actors with different experiments are connected.",
            [Curve("rate(troop_learner_frames_total{I}[R])", "{{run}}")],
            Look(span=8, at_least=0),
        ),
        curves(
            LEARNER,
            "Gradients",
            "count:gradients/s",
            "gradients a second",
            "Applied, and rejected by reason. Many of one reason: docs/metrics.md says what to do about it. Applied at"
            " 0 while sessions exist: in the synchronous mode a worker is missing or hangs.",
            [
                Curve("rate(troop_learner_gradients_applied_total{I}[R])", "{{run}} · applied"),
                Curve("rate(troop_learner_gradients_rejected_total{I}[R])", "{{run}} · rejected: {{reason}}"),
            ],
            Look(span=8, at_least=0),
        ),
    ]


def _staleness() -> list:
    return [
        heat(
            LEARNER,
            "Staleness",
            "suffix: updates",
            "updates behind",
            "Applied gradients a second by their staleness. About the number of workers is healthy. A second, higher"
            " band: some actors are much slower than the others (Actors).",
            "troop_learner_gradient_staleness_updates",
        ),
        curves(
            LEARNER,
            "Staleness, quantiles",
            "suffix: updates",
            "updates behind",
            "Half, nine tenths and nearly all of the applied gradients are below these. Above the limit, or far above"
            " the number of workers: publish more often (learner.publish), shorten segments (method.t_max), or stop"
            " the slowest actors.",
            [
                *quantiles("troop_learner_gradient_staleness_updates", 0.5, 0.9, 0.99),
                Curve("troop_learner_max_staleness_updates{I}", "{{run}} · limit"),
            ],
            Look(log=True),
        ),
        curves(
            LEARNER,
            "Age of a gradient's weights",
            "s",
            "time since they were published",
            "How old the weights were when a gradient that was computed on them was applied. It grows with the length"
            " of a segment; a long tail is a slow actor or a slow network.",
            quantiles("troop_learner_gradient_age_seconds", 0.5, 0.99),
            Look(log=True),
        ),
        curves(
            LEARNER,
            "Age of the newest weights",
            "s",
            "time since the last publish",
            "What an actor can get at best. Above learner.publish and growing: no gradient is applied, or a publish"
            " waits for readers that have stopped.",
            [Curve("troop_learner_weights_age_seconds{I}", "{{run}}")],
            Look(at_least=0),
        ),
    ]


def _network() -> list:
    return [
        curves(
            LEARNER,
            "Queue wait",
            "s",
            "from the last byte to the apply",
            "How long a gradient that has come waits until it is applied. Near the apply time (Learner) or above: the"
            " learner is the bottleneck; give it cores, or have actors send fewer and larger gradients"
            " (environment.envs_per_worker).",
            quantiles("troop_learner_queue_wait_seconds", 0.5, 0.99),
            Look(log=True),
        ),
        curves(
            LEARNER,
            "Bytes",
            "Bps",
            "bytes a second",
            "Gradients in and weights out over the network; workers of the learner's own process send none. Near the"
            ' speed of the network: wire.gradients = "bf16" and wire.weights = "bf16" halve them, a rarer'
            " learner.publish sends less.",
            [
                Curve("rate(troop_learner_received_bytes_total{I}[R])", "{{run}} · in"),
                Curve("rate(troop_learner_sent_bytes_total{I}[R])", "{{run}} · out"),
            ],
            Look(at_least=0),
        ),
    ]
