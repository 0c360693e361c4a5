//! The learner's Prometheus metrics.

use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, exponential_buckets, linear_buckets,
};
use tokio::sync::watch;
use troop_common::telemetry::{RunInfo, register_process};

/// Everything that `/metrics` of a learner shows, in base units.
#[derive(Clone)]
pub struct Metrics {
    /// Where the metrics are registered.
    pub registry: Registry,
    /// Gradients applied.
    pub gradients_applied: IntCounter,
    /// Gradients rejected, by reason.
    pub gradients_rejected: IntCounterVec,
    /// Reports refused because they cannot be true, by what was wrong.
    pub reports_refused: IntCounterVec,
    /// Gradients applied at a lower rate because of their staleness.
    pub gradients_scaled: IntCounter,
    /// Gradients corrected for their staleness.
    pub gradients_compensated: IntCounter,
    /// Staleness at apply time, in updates.
    pub gradient_staleness: Histogram,
    /// Age of a gradient's weights at apply time, in seconds.
    pub gradient_age: Histogram,
    /// Time to apply one gradient, in seconds.
    pub apply_seconds: Histogram,
    /// Time from a gradient's last byte to its apply, in seconds.
    pub queue_wait: Histogram,
    /// Sessions whose gradient waits for other sessions.
    pub sessions_waiting: IntGauge,
    /// How long the first of these has been waiting, in seconds.
    pub longest_wait: Gauge,
    /// Open sessions that the others do not wait for.
    pub sessions_silent: IntGauge,
    /// Time that sessions waited for slower ones, in seconds.
    pub turn_wait: Histogram,
    /// Time that sessions waited for room for a gradient, in seconds.
    pub buffer_wait: Histogram,
    /// Memory of gradients between their first byte and their apply, in bytes.
    pub bytes_in_flight: IntGauge,
    /// Rounds of the synchronous mode, by how they ended.
    pub rounds: IntCounterVec,
    /// Time from a gradient's arrival to the end of its round, in seconds.
    pub round_wait: Histogram,
    /// Global norm of applied gradients, before clipping.
    pub gradient_norm: Histogram,
    /// Tensor bytes received.
    pub received_bytes: IntCounter,
    /// Tensor bytes sent.
    pub sent_bytes: IntCounter,
    /// Publishes.
    pub publishes: IntCounter,
    /// Time since the last publish, in seconds.
    pub weights_age: Gauge,
    /// Live sessions.
    pub sessions: IntGauge,
    /// Sessions that joined.
    pub sessions_joined: IntCounter,
    /// Sessions that left.
    pub sessions_left: IntCounter,
    /// Env steps.
    pub env_steps: IntCounter,
    /// Frames.
    pub frames: IntCounter,
    /// Episodes.
    pub episodes: IntCounter,
    /// Returns of episodes.
    pub episode_return: Histogram,
    /// Mean return of the last 100 episodes.
    pub episode_return_mean: Gauge,
    /// Lengths of episodes, in env steps.
    pub episode_length: Histogram,
    /// Last loss, by term.
    pub loss: GaugeVec,
    /// Current learning rate.
    pub learning_rate: Gauge,
    /// Updates applied in the run.
    pub version: IntGauge,
    /// This life's number.
    pub epoch: IntGauge,
    /// Environment hosts that were restarted.
    pub environment_restarts: IntCounter,
    /// Checkpoints written.
    pub checkpoints: IntCounter,
    /// Gradients whose rest did not come in time; each ended its session.
    pub overdue_gradients: IntCounter,
    /// Checkpoints that could not be written.
    pub checkpoint_failures: IntCounter,
    /// 1 if the last checkpoint could not be written.
    pub checkpoint_failing: IntGauge,
    /// Unix time of this life's last checkpoint, in seconds; before the first that of its beginning.
    pub last_checkpoint: Gauge,
    /// Time between two checkpoints, in seconds.
    pub checkpoint_interval: Gauge,
    /// Room that is left where the run is kept, in bytes.
    pub disk_available: IntGauge,
    /// Size of the file system on which the run is kept, in bytes.
    pub disk_size: IntGauge,
    /// What runs.
    pub run: RunInfo,
    /// Env steps of the run, earlier lives included.
    pub run_env_steps: IntGauge,
    /// Env steps at which the run is over.
    pub run_env_steps_target: IntGauge,
    /// `learner.max_staleness_updates`.
    pub max_staleness: IntGauge,
    /// How often all this was read.
    pub(crate) reads: watch::Sender<u64>,
    /// 1 for what the learner is doing.
    pub(crate) phase: IntGaugeVec,
}

impl Metrics {
    /// Registers every metric in a registry of its own.
    ///
    /// # Errors
    /// Where two metrics have one name, which the tests rule out.
    pub fn new() -> prometheus::Result<Self> {
        let make = Maker {
            registry: Registry::new(),
        };
        register_process(&make.registry)?;
        Ok(Self {
            gradients_applied: make.counter("gradients_applied_total", "Gradients applied.")?,
            gradients_rejected: make.counters(
                "gradients_rejected_total",
                "Gradients rejected, by reason.",
                "reason",
            )?,
            reports_refused: make.counters(
                "reports_refused_total",
                "Reports refused because they cannot be true, by what was wrong.",
                "part",
            )?,
            gradients_scaled: make.counter(
                "gradients_scaled_total",
                "Gradients applied at a lower learning rate because of their staleness.",
            )?,
            gradients_compensated: make.counter(
                "gradients_compensated_total",
                "Gradients corrected by how far the parameters had moved.",
            )?,
            // 0 to 64 in powers of two: a healthy run sits near its number of workers.
            gradient_staleness: make.histogram(
                "gradient_staleness_updates",
                "Staleness of applied gradients at apply time, in updates.",
                [vec![0.0], exponential_buckets(1.0, 2.0, 13)?].concat(),
            )?,
            gradient_age: make.histogram(
                "gradient_age_seconds",
                "Age of the weights that applied gradients were computed on, in seconds.",
                exponential_buckets(0.001, 2.0, 17)?,
            )?,
            // From a small net (microseconds) to 100 M parameters.
            apply_seconds: make.histogram(
                "apply_seconds",
                "Time to apply one gradient, in seconds.",
                exponential_buckets(1e-6, 4.0, 11)?,
            )?,
            queue_wait: make.histogram(
                "queue_wait_seconds",
                "Time from a gradient's last byte to the start of its apply, in seconds.",
                exponential_buckets(1e-6, 2.0, 24)?,
            )?,
            sessions_waiting: make.int_gauge(
                "sessions_waiting",
                "Sessions whose gradient waits for other sessions.",
            )?,
            longest_wait: make.gauge(
                "longest_wait_seconds",
                "How long the first of the sessions that wait for others has been waiting, in seconds.",
            )?,
            sessions_silent: make.int_gauge(
                "sessions_silent",
                "Open sessions that were silent for too long: the others do not wait for them.",
            )?,
            turn_wait: make.histogram(
                "turn_wait_seconds",
                "Time that sessions waited for slower ones, in seconds.",
                exponential_buckets(1e-4, 4.0, 10)?,
            )?,
            buffer_wait: make.histogram(
                "buffer_wait_seconds",
                "Time that sessions waited for room for a gradient, in seconds.",
                exponential_buckets(1e-4, 4.0, 10)?,
            )?,
            bytes_in_flight: make.int_gauge(
                "bytes_in_flight",
                "Memory of gradients between their first byte and their apply, in bytes.",
            )?,
            rounds: make.counters(
                "rounds_total",
                "Synchronous rounds, by how they ended.",
                "end",
            )?,
            round_wait: make.histogram(
                "round_wait_seconds",
                "Time from a gradient's arrival to the end of its round, in seconds.",
                exponential_buckets(1e-4, 4.0, 10)?,
            )?,
            gradient_norm: make.histogram(
                "gradient_norm",
                "Global norm of applied gradients, before clipping.",
                exponential_buckets(0.001, 4.0, 11)?,
            )?,
            received_bytes: make.counter("received_bytes_total", "Bytes of gradients received.")?,
            sent_bytes: make.counter("sent_bytes_total", "Bytes of weights sent.")?,
            publishes: make.counter("publishes_total", "Publishes of new weights.")?,
            weights_age: make.gauge(
                "weights_age_seconds",
                "Time since the last publish, in seconds.",
            )?,
            sessions: make.int_gauge("sessions", "Live sessions.")?,
            sessions_joined: make.counter("sessions_joined_total", "Sessions that joined.")?,
            sessions_left: make.counter("sessions_left_total", "Sessions that left.")?,
            env_steps: make.counter(
                "env_steps_total",
                "Env steps (actions of the agent) in this life of the run.",
            )?,
            frames: make.counter(
                "frames_total",
                "Frames (env steps times frame skip) in this life of the run.",
            )?,
            episodes: make.counter(
                "episodes_total",
                "Episodes that ended in this life of the run.",
            )?,
            // CartPole's 0 to 500 and Pong's −21 to 21 both spread over these.
            episode_return: make.histogram(
                "episode_return",
                "Undiscounted raw return of episodes.",
                [
                    linear_buckets(-20.0, 5.0, 9)?,
                    exponential_buckets(50.0, 2.0, 10)?,
                ]
                .concat(),
            )?,
            episode_return_mean: make.gauge(
                "episode_return_mean",
                "Mean return of the last 100 episodes.",
            )?,
            episode_length: make.histogram(
                "episode_length",
                "Length of episodes, in env steps.",
                exponential_buckets(8.0, 2.0, 12)?,
            )?,
            loss: make.gauges("loss", "Last reported loss, by term.", "term")?,
            learning_rate: make.gauge("learning_rate", "Current learning rate.")?,
            version: make.int_gauge("version", "Updates applied in the run.")?,
            epoch: make.int_gauge(
                "epoch",
                "Number of this life of the learner within the run.",
            )?,
            environment_restarts: make.counter(
                "environment_restarts_total",
                "Environment hosts restarted by actors.",
            )?,
            checkpoints: make.counter("checkpoints_total", "Checkpoints written.")?,
            overdue_gradients: make.counter(
                "overdue_gradients_total",
                "Gradients whose rest did not come in time; each ended its session.",
            )?,
            checkpoint_failures: make.counter(
                "checkpoint_failures_total",
                "Checkpoints that could not be written.",
            )?,
            checkpoint_failing: make.int_gauge(
                "checkpoint_failing",
                "1 if the last checkpoint could not be written.",
            )?,
            last_checkpoint: make.gauge(
                "last_checkpoint_timestamp_seconds",
                "Unix time of the last checkpoint; before the first, of this life's beginning.",
            )?,
            checkpoint_interval: make.gauge(
                "checkpoint_interval_seconds",
                "Time between two checkpoints (checkpoint.interval_s).",
            )?,
            disk_available: make.int_gauge(
                "disk_available_bytes",
                "Room that is left on the file system of the run directory, in bytes.",
            )?,
            disk_size: make.int_gauge(
                "disk_size_bytes",
                "Size of the file system of the run directory, in bytes.",
            )?,
            run: RunInfo::register(&make.registry, PREFIX)?,
            run_env_steps: make.int_gauge(
                "run_env_steps",
                "Env steps of the run, earlier lives included.",
            )?,
            run_env_steps_target: make.int_gauge(
                "run_env_steps_target",
                "Env steps at which the run is over (experiment.total_env_steps).",
            )?,
            max_staleness: make.int_gauge(
                "max_staleness_updates",
                "Staleness that should not be exceeded (learner.max_staleness_updates).",
            )?,
            reads: watch::Sender::new(0),
            phase: make.int_gauges("phase", "1 for what the learner is doing, else 0.", "phase")?,
            registry: make.registry,
        })
    }
}

/// A count as a gauge takes it: the largest one where it is too large for any.
pub(crate) fn of_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Makes and registers metrics under the learner's prefix.
struct Maker {
    registry: Registry,
}

const PREFIX: &str = "troop_learner";

impl Maker {
    fn options(name: &str, help: &str) -> Opts {
        Opts::new(name, help).namespace(PREFIX)
    }

    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: M,
    ) -> prometheus::Result<M> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.register(IntCounter::with_opts(Self::options(name, help))?)
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntCounterVec> {
        self.register(IntCounterVec::new(Self::options(name, help), &[label])?)
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.register(Gauge::with_opts(Self::options(name, help))?)
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<GaugeVec> {
        self.register(GaugeVec::new(Self::options(name, help), &[label])?)
    }

    fn int_gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        self.register(IntGaugeVec::new(Self::options(name, help), &[label])?)
    }

    fn int_gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.register(IntGauge::with_opts(Self::options(name, help))?)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: Vec<f64>,
    ) -> prometheus::Result<Histogram> {
        let options = HistogramOpts {
            common_opts: Self::options(name, help),
            buckets,
        };
        self.register(Histogram::with_opts(options)?)
    }
}
