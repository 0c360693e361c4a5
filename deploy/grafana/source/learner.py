"""*Learner*: how is the parameter server?"""

from grafana_foundation_sdk.builders import dashboard

from panels import LEARNER, Curve, Look, board, curves, quantiles


def learner() -> dashboard.Dashboard:
    """CPU, memory, apply time, publishes, sessions, checkpoints."""
    return board(
        LEARNER,
        "troop-learner",
        "Troop / Learner",
        "How is the parameter server: CPU, memory, apply time, publishes, sessions, checkpoints.",
        [*_process(), *_work(), *_keeping()],
    )


def _process() -> list:
    return [
        curves(
            LEARNER,
            "CPU",
            "suffix: cores",
            "busy cores",
            "Near the cores that it has while gradients wait in the queue: it is the bottleneck. Give it cores, or"
            " have actors send fewer and larger gradients. Near 0: it waits for actors.",
            [Curve("rate(process_cpu_seconds_total{I}[R])", "{{run}}")],
            Look(at_least=0),
        ),
        curves(
            LEARNER,
            "Memory",
            "bytes",
            "bytes",
            "Held by the process, and gradients between their first byte and their apply. It is bounded: parameters,"
            " optimiser, publishes, and learner.bytes_in_flight. In flight at its limit: senders wait. Growing without"
            " end: report it.",
            [
                Curve("process_resident_memory_bytes{I}", "{{run}} · resident"),
                Curve("troop_learner_bytes_in_flight{I}", "{{run}} · gradients in flight"),
            ],
            Look(at_least=0),
        ),
    ]


def _work() -> list:
    return [
        curves(
            LEARNER,
            "Apply time",
            "s",
            "one optimiser step",
            "Over all parameters; it grows with the model. Large at a small model: the machine has fewer cores than"
            " threads that want them, so keep actors off the learner's cores.",
            quantiles("troop_learner_apply_seconds", 0.5, 0.99),
            Look(log=True),
        ),
        curves(
            LEARNER,
            "Publishes",
            "count:publishes/s",
            "publishes a second",
            "How often the parameters became the newest weights. 0 while gradients are applied: learner.publish is set"
            " too rare, or a publish waits for readers that have stopped.",
            [Curve("rate(troop_learner_publishes_total{I}[R])", "{{run}}")],
            Look(at_least=0),
        ),
    ]


def _keeping() -> list:
    return [
        curves(
            LEARNER,
            "Sessions",
            "short",
            "sessions",
            "Workers that are connected, and how many left in 10 minutes. Fewer than started: their logs say why. Many"
            " that leave: the learner's log has the cause of each.",
            [
                Curve("troop_learner_sessions{I}", "{{run}} · connected"),
                Curve("increase(troop_learner_sessions_left_total{I}[10m])", "{{run}} · left in 10 minutes"),
            ],
            Look(span=8, at_least=0),
        ),
        curves(
            LEARNER,
            "Age of the last checkpoint",
            "s",
            "time since it was written",
            "What would be lost if the learner ended now. It falls to 0 every checkpoint.interval_s while gradients"
            " are applied; where it does not, the log says why.",
            [Curve("time() - troop_learner_last_checkpoint_timestamp_seconds{I}", "{{run}}")],
            Look(span=8, at_least=0),
        ),
        curves(
            LEARNER,
            "Room on the disk",
            "bytes",
            "bytes available",
            "On the file system of the run directory. Near 0: remove old runs, keep fewer checkpoints"
            " (checkpoint.keep).",
            [Curve("troop_learner_disk_available_bytes{I}", "{{run}}")],
            Look(span=8, at_least=0),
        ),
    ]
