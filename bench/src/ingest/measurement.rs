use std::time::Instant;

use serde::Serialize;

use super::args::IngestArgs;
use super::spread::{Skews, Spread};
use crate::exposition::Exposition;
use crate::helper::{Helper, SETTLE};
use crate::histogram::Histogram;
use crate::interruption::Interruption;
use crate::learners::Learners;
use crate::tally::Tally;

/// What the learner took, or all learners of a run together.
#[derive(Debug, Serialize)]
pub(super) struct Ingest {
    pub(super) gradients_per_second: f64,
    pub(super) gigabytes_per_second: f64,
    /// Distinct versions that reached the sessions.
    weights_received_per_second: f64,
    weights_received_per_gradient: f64,
    pub(super) learner_cpu_seconds_per_gigabyte: f64,
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
    /// What is each learner's own, if there are several.
    #[serde(skip)]
    pub(super) spread: Option<Spread>,
}

impl Ingest {
    pub(super) fn measure(args: &IngestArgs, interruption: &Interruption) -> anyhow::Result<Self> {
        let learners = Learners::start(args.transport(), &args.places()?, &args.settings())?;
        let arguments = args.sender_arguments(learners.lead());
        let start = |_| Helper::start("sender", &arguments);
        let mut senders = (0..args.actors).map(start).collect::<Result<Vec<_>, _>>()?;
        senders.iter_mut().try_for_each(Helper::wait_ready)?;
        senders.iter_mut().try_for_each(Helper::go)?;
        interruption.sleep(SETTLE)?;
        let first = Sample::take(&learners, &mut senders)?;
        let skews = Skews::watch(&learners, args, interruption)?;
        let last = Sample::take(&learners, &mut senders)?;
        // A sender that is finished has an answer to each of its gradients.
        let sent = Helper::finish(senders)?.sent;
        let drained = learners.metrics()?;
        let memory = learners.peak_memory_bytes()?;
        let during = Interval::between(&first, &last);
        let spread = skews.map(|skews| Spread::new(&memory, &skews));
        let peak_memory_bytes = memory.iter().sum();
        let measured = during.report(peak_memory_bytes, args.parameter_bytes());
        Ok(Self { spread, ..measured }.with_ends(sent, &drained))
    }

    /// What became of the gradients that were sent, as each learner counts them: with several, each has a slice of all.
    fn with_ends(self, sent: u64, drained: &[Exposition]) -> Self {
        let least =
            |count: fn(&Exposition) -> f64| drained.iter().map(count).fold(f64::MAX, f64::min);
        let rejections = drained.iter().map(rejected);
        let decided = |metrics: &Exposition| applied(metrics) + rejected(metrics);
        Self {
            gradients_pushed: sent,
            gradients_applied: least(applied) as u64,
            gradients_rejected: rejections.fold(0.0, f64::max) as u64,
            gradients_lost: sent as i64 - least(decided) as i64,
            ..self
        }
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
    /// The lead's.
    lead: Exposition,
    /// Of all learners together.
    all: Exposition,
    learner_cpu: f64,
    sender_cpu: f64,
    tally: Tally,
}

impl Sample {
    fn take(learners: &Learners, senders: &mut [Helper]) -> anyhow::Result<Self> {
        let mut metrics = learners.metrics()?;
        Ok(Self {
            at: Instant::now(),
            all: Exposition::sum(&metrics),
            lead: metrics.swap_remove(0),
            learner_cpu: learners.cpu_seconds()?,
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
        let total = |metric| last.all.total(metric) - first.all.total(metric);
        let histogram = |metric| {
            let earlier = first.all.histogram(metric);
            last.all.histogram(metric).since(&earlier)
        };
        // Both counts of a session are from one moment.
        let tally = last.tally - first.tally;
        Self {
            seconds: last.at.duration_since(first.at).as_secs_f64(),
            gradients: applied(&last.lead) - applied(&first.lead),
            gigabytes: total("troop_learner_received_bytes_total") / 1e9,
            sent: tally.sent as f64,
            weights: tally.received as f64,
            learner_cpu: last.learner_cpu - first.learner_cpu,
            sender_cpu: last.sender_cpu - first.sender_cpu,
            queue_wait: histogram("troop_learner_queue_wait_seconds"),
            staleness: histogram("troop_learner_gradient_staleness_updates"),
        }
    }
    fn report(&self, peak_memory_bytes: u64, parameter_bytes: u64) -> Ingest {
        Ingest {
            gradients_per_second: self.gradients / self.seconds,
            gigabytes_per_second: self.gigabytes / self.seconds,
            weights_received_per_second: self.weights / self.seconds,
            weights_received_per_gradient: self.weights / self.sent,
            learner_cpu_seconds_per_gigabyte: self.learner_cpu / self.gigabytes,
            sender_cpu_seconds_per_gigabyte: self.sender_cpu / self.gigabytes,
            peak_memory_bytes,
            parameter_bytes,
            queue_wait_p50_at_most_seconds: self.queue_wait.quantile_at_most(0.5),
            queue_wait_p99_at_most_seconds: self.queue_wait.quantile_at_most(0.99),
            staleness_mean_updates: self.staleness.mean(),
            staleness_p50_at_most_updates: self.staleness.quantile_at_most(0.5),
            staleness_p99_at_most_updates: self.staleness.quantile_at_most(0.99),
            gradients_pushed: 0,
            gradients_applied: 0,
            gradients_rejected: 0,
            gradients_lost: 0,
            spread: None,
        }
    }
}
