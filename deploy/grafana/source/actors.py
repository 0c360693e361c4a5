"""*Actors*: what does each of them do?"""

from grafana_foundation_sdk.builders import dashboard

from panels import ACTOR, Curve, Look, board, curves


def actors() -> dashboard.Dashboard:
    """Per actor: env steps, where its workers' time goes, restarts."""
    return board(
        ACTOR,
        "troop-actors",
        "Troop / Actors",
        "What does each actor do, and where does its workers' time go?",
        [*_work(), *_restarts(), _time()],
    )


def _share(metric: str) -> str:
    return f"rate({metric}_seconds_sum{{I}}[R]) / (troop_actor_workers{{I}} > 0)"


def _work() -> list:
    return [
        curves(
            ACTOR,
            "Env steps",
            "count:steps/s",
            "env steps a second",
            "Each actor's own. One far below the others: its host is slower or busy with something else. All fall"
            " together: they wait for the learner (below).",
            [Curve("rate(troop_actor_env_steps_total{I}[R])", "{{instance}}")],
            Look(at_least=0),
        ),
        curves(
            ACTOR,
            "Waiting for the learner",
            "percentunit",
            "share of the workers' time",
            "Waiting for weights and until a gradient could be sent. Large everywhere: the learner or the network is"
            " the bottleneck. Large at one actor: its network is. More gradients in flight (wire.gradients_in_flight)"
            " hide latency at the cost of staleness.",
            [
                Curve(
                    "(rate(troop_actor_weights_wait_seconds_sum{I}[R]) +"
                    " rate(troop_actor_push_wait_seconds_sum{I}[R])) / (troop_actor_workers{I} > 0)",
                    "{{instance}}",
                )
            ],
            Look(at_least=0, at_most=1),
        ),
    ]


def _restarts() -> list:
    return [
        curves(
            ACTOR,
            "Restarts in 15 minutes",
            "short",
            "restarts",
            "Of environment hosts, and of the actor's process. Environments: the actor's log has the exception or the"
            " host's last words. Process: without a last log line it was killed, mostly for memory.",
            [
                Curve("increase(troop_actor_environment_restarts_total{I}[15m])", "{{instance}} · environments"),
                Curve("changes(process_start_time_seconds{I}[15m])", "{{instance}} · process"),
            ],
            Look(span=8, at_least=0),
        ),
        curves(
            ACTOR,
            "CPU",
            "suffix: cores",
            "busy cores",
            "Without the Gymnasium hosts, which are processes of their own. Below the number of workers: they wait, or"
            " share cores with others.",
            [Curve("rate(process_cpu_seconds_total{I}[R])", "{{instance}}")],
            Look(span=8, at_least=0),
        ),
        curves(
            ACTOR,
            "Memory",
            "bytes",
            "resident memory",
            "Without the Gymnasium hosts. A replay memory fills up and then stays. Near the limit of the container:"
            " fewer workers in each, or a smaller replay memory.",
            [Curve("process_resident_memory_bytes{I}", "{{instance}}")],
            Look(span=8, at_least=0),
        ),
    ]


def _time():
    parts = [
        ("environment", "troop_actor_step"),
        ("inference", "troop_actor_inference"),
        ("gradient", "troop_actor_gradient"),
        ("waiting for weights", "troop_actor_weights_wait"),
        ("waiting to send", "troop_actor_push_wait"),
    ]
    return curves(
        ACTOR,
        "Where the time of $actor goes",
        "percentunit",
        "share of the workers' time",
        "Environment the largest: more workers while there are cores. Inference: more environments a worker"
        " (environment.envs_per_worker) share one call. Gradient: fewer cores than workers? Waiting: the learner or"
        " the network. What is missing to 100 % is bookkeeping, or workers that others keep from running.",
        [Curve(_share(metric), name) for name, metric in parts],
        Look(span=8, stacked=True, at_least=0, at_most=1, repeat="actor"),
    )
