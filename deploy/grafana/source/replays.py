"""*Replays*: who waits for whom, and how old is what is learnt from?"""

from grafana_foundation_sdk.builders import dashboard

from panels import REPLAY, Curve, Look, board, curves


def replays() -> dashboard.Dashboard:
    """Per replay: what comes and goes, who waits, age, room."""
    return board(
        REPLAY,
        "troop-replays",
        "Troop / Replays",
        "What comes to each replay and what is drawn from it, who waits for whom, and how old is it?",
        [*_flow(), *_waits(), *_room()],
    )


def _flow() -> list:
    return [
        curves(
            REPLAY,
            "Env steps",
            "count:steps/s",
            "env steps a second",
            "What comes, and what is drawn. Their ratio is how often each step is learnt from. Nothing comes: no worker"
            " acts, or all are held back. Nothing is drawn: no worker trains, or all are starved.",
            [
                Curve("rate(troop_replay_env_steps_inserted_total{I}[R])", "{{instance}} · added"),
                Curve("rate(troop_replay_env_steps_drawn_total{I}[R])", "{{instance}} · drawn"),
            ],
            Look(at_least=0),
        ),
        curves(
            REPLAY,
            "Bytes",
            "Bps",
            "bytes a second",
            "Of segments as they came, and of draws as they were sent. Near what the network carries: give the run more"
            " replays, or put workers that train on the same machine.",
            [
                Curve("rate(troop_replay_received_bytes_total{I}[R])", "{{instance}} · added"),
                Curve("rate(troop_replay_sent_bytes_total{I}[R])", "{{instance}} · drawn"),
            ],
            Look(at_least=0),
        ),
    ]


def _waits() -> list:
    return [
        curves(
            REPLAY,
            "Held back and starved",
            "short",
            "workers that wait",
            "Writers that wait for those who train, and draws that wait for experience. Writers all the time: more"
            " workers that train help. Draws all the time: more workers that act do.",
            [
                Curve("troop_replay_appends_waiting{I}", "{{instance}} · held back"),
                Curve("troop_replay_draws_waiting{I}", "{{instance}} · starved"),
            ],
            Look(at_least=0),
        ),
        curves(
            REPLAY,
            "Age of what is drawn",
            "suffix: updates",
            "updates",
            "How many updates there were since the weights that acted what is drawn, on average. Growing: those who"
            " train are behind, or the replay is large; topology.max_age_updates drops what is too old.",
            [
                Curve(
                    "rate(troop_replay_drawn_age_updates_total{I}[R])"
                    " / clamp_min(rate(troop_replay_items_drawn_total{I}[R]), 1e-9)",
                    "{{instance}}",
                )
            ],
            Look(at_least=0),
        ),
    ]


def _room() -> list:
    return [
        curves(
            REPLAY,
            "Room",
            "bytes",
            "bytes of experience",
            "What experience takes, and may take (topology.replay_bytes). A replay that is full is not alarming: the"
            " oldest experience makes room for new one.",
            [
                Curve("troop_replay_held_bytes{I}", "{{instance}} · held"),
                Curve("troop_replay_limit_bytes{I}", "{{instance}} · limit"),
            ],
            Look(span=8, at_least=0),
        ),
        curves(
            REPLAY,
            "Items that go",
            "suffix: /s",
            "items a second",
            "Never drawn: they made room before anybody learnt from them. Too old: topology.max_age_updates. A large"
            " share of what comes: those who train are far behind.",
            [
                Curve("rate(troop_replay_items_evicted_undrawn_total{I}[R])", "{{instance}} · never drawn"),
                Curve("rate(troop_replay_items_evicted_drawn_total{I}[R])", "{{instance}} · drawn before"),
                Curve("rate(troop_replay_items_too_old_total{I}[R])", "{{instance}} · too old"),
            ],
            Look(span=8, at_least=0),
        ),
        curves(
            REPLAY,
            "Memory",
            "bytes",
            "resident memory",
            "Of the process: experience, and what is on its way. Near the limit of the container: raise that, or lower"
            " topology.replay_bytes.",
            [Curve("process_resident_memory_bytes{I}", "{{instance}}")],
            Look(span=8, at_least=0),
        ),
    ]
