//! The actor's Prometheus metrics.

use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntGauge, Opts, Registry, exponential_buckets,
};
use troop_common::telemetry::{RunInfo, register_process};

const PREFIX: &str = "troop_actor";

/// Everything that `/metrics` of an actor shows, all of its workers together, in base units.
#[derive(Clone)]
pub struct ActorMetrics {
    /// Where the metrics are registered.
    pub registry: Registry,
    /// Env steps.
    pub env_steps: IntCounter,
    /// Time of one step of a worker's environments.
    pub step_seconds: Histogram,
    /// Time to choose one step's actions.
    pub inference_seconds: Histogram,
    /// Time to compute one gradient.
    pub gradient_seconds: Histogram,
    /// Time that workers waited for weights.
    pub weights_wait: Histogram,
    /// Time that workers waited to send a gradient.
    pub push_wait: Histogram,
    /// Updates by which the weights advanced while the last segment was acted.
    pub weights_staleness: Gauge,
    /// Gradients that workers scaled down to `actor.max_gradient_norm`.
    pub gradients_clipped: IntCounter,
    /// Gradients that methods did not want to be learnt from.
    pub gradients_withheld: IntCounter,
    /// Environment hosts that were restarted.
    pub environment_restarts: IntCounter,
    /// Workers that are at work.
    pub workers: IntGauge,
    /// What runs.
    pub run: RunInfo,
}

impl ActorMetrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// If two metrics have one name, which the tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        register_process(&registry)?;
        Self::within(registry)
    }

    /// Registers every metric beside those that `registry` has already.
    ///
    /// # Errors
    /// If two metrics have one name.
    pub fn within(registry: Registry) -> prometheus::Result<Self> {
        let options = |name: &str, help: &str| Opts::new(name, help).namespace(PREFIX);
        let counter = |name: &str, help: &str| {
            register(&registry, IntCounter::with_opts(options(name, help))?)
        };
        // From a native step (microseconds) to a stalled host (minutes).
        let histogram = |name: &str, help: &str| {
            let options = HistogramOpts {
                common_opts: options(name, help),
                buckets: exponential_buckets(1e-6, 4.0, 14)?,
            };
            register(&registry, Histogram::with_opts(options)?)
        };
        Ok(Self {
            env_steps: counter("env_steps_total", "Env steps (actions of the agent).")?,
            step_seconds: histogram(
                "step_seconds",
                "Time of one step of a worker's environments, in seconds.",
            )?,
            inference_seconds: histogram(
                "inference_seconds",
                "Time to choose one step's actions, in seconds.",
            )?,
            gradient_seconds: histogram(
                "gradient_seconds",
                "Time to compute one gradient, in seconds.",
            )?,
            weights_wait: histogram(
                "weights_wait_seconds",
                "Time that workers waited for weights, in seconds.",
            )?,
            push_wait: histogram(
                "push_wait_seconds",
                "Time that workers waited to send a gradient, in seconds.",
            )?,
            weights_staleness: register(
                &registry,
                Gauge::with_opts(options(
                    "weights_staleness_updates",
                    "Updates by which the weights advanced while the last segment was acted.",
                ))?,
            )?,
            gradients_clipped: counter(
                "gradients_clipped_total",
                "Gradients scaled down to actor.max_gradient_norm.",
            )?,
            gradients_withheld: counter(
                "gradients_withheld_total",
                "Gradients that were not sent because the method refused their loss.",
            )?,
            environment_restarts: counter(
                "environment_restarts_total",
                "Environment hosts restarted.",
            )?,
            workers: register(
                &registry,
                IntGauge::with_opts(options("workers", "Workers that are at work."))?,
            )?,
            run: RunInfo::register(&registry, PREFIX)?,
            registry,
        })
    }
}

fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: M,
) -> prometheus::Result<M> {
    registry.register(Box::new(metric.clone()))?;
    Ok(metric)
}
