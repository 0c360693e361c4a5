//! The actor's Prometheus metrics.

use prometheus::{Gauge, Histogram, IntCounter, IntGauge, Registry};
use troop_common::metric_table;
use troop_common::metrics::powers;
use troop_common::telemetry::{RunInfo, register_process};

metric_table! {
    /// Everything that `/metrics` of an actor shows, all of its workers together, in base units.
    pub struct ActorMetrics of "troop_actor" {}

    env_steps: IntCounter = "env_steps_total", "env steps",
        "Steps in whole segments",
        "Flat: one of the waits below never ends, or the environment restarts again and again";
    step_seconds: Histogram = "step_seconds", "s",
        "One step of all of a worker's environments",
        "The largest share: the environment is the bottleneck; more workers help while there are cores",
        durations();
    inference_seconds: Histogram = "inference_seconds", "s",
        "Choosing one step's actions",
        "The largest share: more environments a worker (`environment.envs_per_worker`) share one call",
        durations();
    gradient_seconds: Histogram = "gradient_seconds", "s",
        "Loss and gradient of one batch",
        "Large: fewer cores than workers?",
        durations();
    weights_wait: Histogram = "weights_wait_seconds", "s",
        "Waiting for weights before a segment or a gradient",
        "Large: the learner is away or has published nothing yet",
        durations();
    push_wait: Histogram = "push_wait_seconds", "s",
        "Waiting until a gradient could be sent",
        "Large: learner or network is the bottleneck; more gradients in flight (`wire.gradients_in_flight`) hide \
        latency at the cost of staleness",
        durations();
    replay_wait: Histogram = "replay_wait_seconds", "s",
        "Waiting for the replay between those who act and those who train, on either side",
        "Large where workers act: those who train are behind, more `topology.trainers` help. Large where they train: \
        experience comes too slowly, more `actor.workers` help",
        durations();
    experience_age: Histogram = "experience_age_updates", "updates",
        "How many updates there were since the weights that acted what is learnt from, for each item",
        "Growing: those who train are behind, or the replay is large",
        powers(1.0, 4.0, 12);
    evaluation_seconds: Histogram = "evaluation_seconds", "s",
        "One evaluation, of the worker that evaluates (`experiment.evaluate`)",
        "Longer than training takes for `experiment.evaluate.every_env_steps`: fewer evaluations than asked for",
        powers(0.01, 4.0, 10);
    weights_staleness: Gauge = "weights_staleness_updates", "updates",
        "How far the weights had advanced when a worker last took new ones",
        "As for the learner's staleness";
    gradients_clipped: IntCounter = "gradients_clipped_total", "gradients",
        "Gradients that were scaled down to `actor.max_gradient_norm` before they were sent",
        "Rising as fast as gradients are sent: every one is clipped; lower the learning rate or raise the limit";
    gradients_withheld: IntCounter = "gradients_withheld_total", "gradients",
        "Gradients that were not sent, because the method itself refused their loss",
        "Rising as fast as gradients are computed: the method's limits are too strict";
    segments_left: IntCounter = "segments_left_total", "segments",
        "Segments whose last epochs were left out, because the policy had moved by `method.max_kl`",
        "As fast as segments are lived through, and few gradients of each: lower the learning rate";
    environment_restarts: IntCounter = "environment_restarts_total", "restarts",
        "Gymnasium hosts that were replaced after a crash, a hang or an exception",
        "Rising: see the log of this actor";
    workers: IntGauge = "workers", "workers",
        "Workers that are at work",
        "Fewer than `actor.workers`: the log says why one ended";
    run: RunInfo = "run_info"["run", "experiment", "environment", "method"], "–",
        "What runs, as the learner said at the first joining; always 1",
        "";
}

/// From a native step (microseconds) to a stalled host (minutes).
fn durations() -> Vec<f64> {
    powers(1e-6, 4.0, 14)
}

impl ActorMetrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// If two metrics have one name, which the tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register_process(&registry)?;
        Self::register(registry)
    }
}
