"""*Training*: does it learn?"""

from grafana_foundation_sdk.builders import dashboard

from panels import LEARNER, Curve, Look, board, curves, heat, mean, number, quantiles


def training() -> dashboard.Dashboard:
    """Return, episode length, losses, entropy, learning rate."""
    return board(
        LEARNER,
        "troop-training",
        "Troop / Training",
        "Does it learn? Return and length of episodes, losses, entropy, learning rate.",
        [*_numbers(), *_episodes(), *_losses()],
    )


def _numbers() -> list:
    return [
        number(
            LEARNER,
            "Mean return",
            "short",
            "Mean return of the last 100 episodes. Flat from the start: look at learning rate, reward scale and"
            " exploration.",
            Curve("troop_learner_episode_return_mean{I}", "{{run}}"),
        ),
        number(
            LEARNER,
            "Progress",
            "percentunit",
            "Env steps of the run against experiment.total_env_steps. It stands still while the learner waits for"
            " actors.",
            Curve("troop_learner_run_env_steps{I} / troop_learner_run_env_steps_target{I}", "{{run}}"),
        ),
        number(
            LEARNER,
            "Time left",
            "s",
            "At the present throughput. It grows where throughput falls: see Throughput and staleness.",
            Curve(
                "(troop_learner_run_env_steps_target{I} - troop_learner_run_env_steps{I})"
                " / (rate(troop_learner_env_steps_total{I}[5m]) > 0)",
                "{{run}}",
            ),
        ),
        number(
            LEARNER,
            "Episodes",
            "short",
            "Episodes of this life of the learner. Flat while env steps grow: episodes do not end.",
            Curve("troop_learner_episodes_total{I}", "{{run}}"),
        ),
    ]


def _episodes() -> list:
    return [
        curves(
            LEARNER,
            "Return",
            "short",
            "undiscounted return of an episode",
            "Mean of the last 100 episodes. Flat from the start: change learning rate, reward scale or exploration,"
            " one at a time. Falls after it rose: lower the learning rate, or the staleness is too high.",
            [Curve("troop_learner_episode_return_mean{I}", "{{run}}")],
        ),
        heat(
            LEARNER,
            "Returns of single episodes",
            "short",
            "undiscounted return of an episode",
            "Episodes a second by their return. Two bands: the agent succeeds from some starts only. One narrow band"
            " far from the best: it has settled, raise method.entropy_weight or the exploration.",
            "troop_learner_episode_return",
        ),
        curves(
            LEARNER,
            "Episode length",
            "count:steps",
            "env steps of an episode",
            "Mean and longest tenth. All at the environment's limit: the agent has found a way to stall, or to"
            " survive; the return says which.",
            [
                Curve(mean("troop_learner_episode_length"), "{{run}} · mean"),
                *quantiles("troop_learner_episode_length", 0.9),
            ],
            Look(at_least=0),
        ),
    ]


def _losses() -> list:
    return [
        curves(
            LEARNER,
            "Losses",
            "short",
            "loss of the last segment",
            "Terms of the method's loss but entropy; the last reported, so they are noisy. A value or q loss that"
            " grows without bounds: lower the learning rate, clip rewards. They need not fall: the targets move.",
            [Curve('troop_learner_loss{I, term!="entropy"}', "{{run}} · {{term}}")],
        ),
        curves(
            LEARNER,
            "Entropy",
            "short",
            "mean entropy of the policy (nats)",
            "It starts at the logarithm of the number of actions and falls as the policy settles. Near 0 early: raise "
            "method.entropy_weight. Does not fall: lower it, or nothing is learnt. Empty for methods without a"
            " policy.",
            [Curve('troop_learner_loss{I, term="entropy"}', "{{run}}")],
        ),
        curves(
            LEARNER,
            "Learning rate",
            "sci",
            "η of the last update",
            'Falls to 0 over the run with optimizer.anneal = "linear", else it is constant. Anything else: another'
            " experiment than you thought runs here.",
            [Curve("troop_learner_learning_rate{I}", "{{run}}")],
            Look(at_least=0),
        ),
        curves(
            LEARNER,
            "Gradient norm",
            "short",
            "global norm before clipping",
            "Mostly above optimizer.max_gradient_norm: every step is clipped, so lower the learning rate or raise the"
            " limit. Near 0: nothing is learnt. Rising without bounds: training diverges.",
            quantiles("troop_learner_gradient_norm", 0.5, 0.99),
            Look(log=True),
        ),
    ]
