use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::IngestArgs;
use crate::exposition::Exposition;
use crate::helper::{Helper, SETTLE};
use crate::histogram::Histogram;
use crate::interruption::Interruption;
use crate::learner_process::LearnerProcess;
use crate::tally::Tally;

/// What the learner took.
#[derive(Debug, Serialize)]
pub(super) struct Ingest {
    pub(super) gradients_per_second: f64,
    pub(super) gigabytes_per_second: f64,
    /// Distinct versions that reached the sessions.
    weights_received_per_second: f64,
    weights_received_per_gradient: f64,
    learner_cpu_seconds_per_gigabyte: f64,
    sender_cpu_seconds_per_gigabyte: f64,
    pub(super) peak_memory_bytes: u64,
    pub(super) parameter_bytes: u64,
    queue_wait_p50_at_most_seconds: Option<f64>,
    queue_wait_p99_at_most_seconds: Option<f64>,
    staleness_mean_updates: Option<f64>,
    staleness_p50_at_most_updates: Option<f64>,
    staleness_p99_at_most_updates: Option<f64>,
    /// From the first to the last gradient of the run, all answered.
    gradients_pushed: u64,
    gradients_applied: u64,
    gradients_rejected: u64,
    /// Pushed, and neither applied nor rejected; below 0 some were applied twice.
    gradients_lost: i64,
}

impl Ingest {
    pub(super) fn measure(args: &IngestArgs, interruption: &Interruption) -> anyhow::Result<Self> {
        let learner = LearnerProcess::start(args.transport(), &args.settings())?;
        let arguments = args.sender_arguments(&learner);
        let start = |_| Helper::start("sender", &arguments);
        let mut senders = (0..args.actors).map(start).collect::<Result<Vec<_>, _>>()?;
        senders.iter_mut().try_for_each(Helper::wait_ready)?;
        senders.iter_mut().try_for_each(Helper::go)?;
        interruption.sleep(SETTLE)?;
        let first = Sample::take(&learner, &mut senders)?;
        interruption.sleep(Duration::from_secs_f64(args.seconds))?;
        let last = Sample::take(&learner, &mut senders)?;
        // A sender that is finished has an answer to each of its gradients.
        let tally = Helper::finish(senders)?;
        let parameter_bytes = args.params as u64 * size_of::<f32>() as u64;
        let drained = learner.metrics()?;
        let (applied, rejected) = (applied(&drained), rejected(&drained));
        let during = Interval::between(&first, &last);
        Ok(Self {
            gradients_per_second: during.gradients / during.seconds,
            gigabytes_per_second: during.gigabytes / during.seconds,
            weights_received_per_second: during.weights / during.seconds,
            weights_received_per_gradient: during.weights / during.sent,
            learner_cpu_seconds_per_gigabyte: during.learner_cpu / during.gigabytes,
            sender_cpu_seconds_per_gigabyte: during.sender_cpu / during.gigabytes,
            peak_memory_bytes: learner.peak_memory_bytes()?,
            parameter_bytes,
            queue_wait_p50_at_most_seconds: during.queue_wait.quantile_at_most(0.5),
            queue_wait_p99_at_most_seconds: during.queue_wait.quantile_at_most(0.99),
            staleness_mean_updates: during.staleness.mean(),
            staleness_p50_at_most_updates: during.staleness.quantile_at_most(0.5),
            staleness_p99_at_most_updates: during.staleness.quantile_at_most(0.99),
            gradients_pushed: tally.sent,
            gradients_applied: applied as u64,
            gradients_rejected: rejected as u64,
            gradients_lost: tally.sent as i64 - (applied + rejected) as i64,
        })
    }
}

fn applied(metrics: &Exposition) -> f64 {
    metrics.total("troop_learner_gradients_applied_total")
}

fn rejected(metrics: &Exposition) -> f64 {
    metrics.total("troop_learner_gradients_rejected_total")
}

struct Sample {
    at: Instant,
    metrics: Exposition,
    learner_cpu: f64,
    sender_cpu: f64,
    tally: Tally,
}

impl Sample {
    fn take(learner: &LearnerProcess, senders: &mut [Helper]) -> anyhow::Result<Self> {
        let metrics = learner.metrics()?;
        Ok(Self {
            at: Instant::now(),
            metrics,
            learner_cpu: learner.cpu_seconds()?,
            sender_cpu: senders
                .iter()
                .map(Helper::cpu_seconds)
                .sum::<Result<_, _>>()?,
            tally: senders
                .iter_mut()
                .map(Helper::tally)
                .sum::<Result<_, _>>()?,
        })
    }
}

/// What happened between two samples.
struct Interval {
    seconds: f64,
    gradients: f64,
    gigabytes: f64,
    sent: f64,
    weights: f64,
    learner_cpu: f64,
    sender_cpu: f64,
    queue_wait: Histogram,
    staleness: Histogram,
}

impl Interval {
    fn between(first: &Sample, last: &Sample) -> Self {
        let total = |metric| last.metrics.total(metric) - first.metrics.total(metric);
        let histogram = |metric| {
            let earlier = first.metrics.histogram(metric);
            last.metrics.histogram(metric).since(&earlier)
        };
        // Both counts of a session are from one moment.
        let tally = last.tally - first.tally;
        Self {
            seconds: last.at.duration_since(first.at).as_secs_f64(),
            gradients: applied(&last.metrics) - applied(&first.metrics),
            gigabytes: total("troop_learner_received_bytes_total") / 1e9,
            sent: tally.sent as f64,
            weights: tally.received as f64,
            learner_cpu: last.learner_cpu - first.learner_cpu,
            sender_cpu: last.sender_cpu - first.sender_cpu,
            queue_wait: histogram("troop_learner_queue_wait_seconds"),
            staleness: histogram("troop_learner_gradient_staleness_updates"),
        }
    }
}
