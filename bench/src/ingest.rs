//! `troop bench ingest`: gradients into a learner.

use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::certificates::Certificates;
use super::exposition::Exposition;
use super::helper::Helper;
use super::histogram::Histogram;
use super::interruption::Interruption;
use super::learner_process::{LearnerProcess, Transport};
use super::memory_copy::MemoryCopy;
use super::message_buffer::Memory;
use super::optimizer_alone::OptimizerAlone;
use super::raw_socket::{RawSocket, RawTraffic};
use super::summary;
use super::tally::Tally;

/// Between the start and the first count.
pub(super) const SETTLE: Duration = Duration::from_millis(300);

/// Bytes of an answer in the raw measurement: an acknowledgement's size.
const ANSWER_BYTES: usize = 16;

/// Measure how many gradients a learner takes, beside what plain sockets carry.
///
/// A learner and the senders run in processes of their own, over the real wire. The same run then
/// measures raw sockets with the same messages, copies of memory, the optimiser alone, and the
/// ratios.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct IngestArgs {
    /// Parameters, each of them 4 bytes at the learner.
    #[arg(long, value_name = "N", default_value_t = 680_000, value_parser = positive)]
    params: usize,
    /// Processes that send.
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = positive)]
    actors: usize,
    /// Sessions of each process.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = positive)]
    sessions_per_process: usize,
    /// How gradients and weights travel [wire.gradients, wire.weights].
    #[arg(long, value_enum, default_value_t = Encoding::F32)]
    encoding: Encoding,
    /// A Unix socket in place of TCP.
    #[arg(long)]
    unix: bool,
    /// Mutual TLS with a throw-away CA, compared in each round with the same learner without; the raw sockets stay
    /// without.
    #[arg(long, conflicts_with = "unix")]
    tls: bool,
    /// Seconds that the learner is measured for; raw sockets take as long, both kinds together.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = above_0)]
    seconds: f64,
    /// Rounds; learner and raw sockets take turns, and medians are shown.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = positive)]
    repeat: usize,
    /// Publish after every N updates; by default once a second. With 1 each gradient is answered by
    /// fresh weights [wire.send_weights].
    #[arg(long, value_name = "N", value_parser = positive)]
    publish_every: Option<usize>,
    /// Gradients of a session that may be unanswered [wire.gradients_in_flight].
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = positive)]
    in_flight: usize,
    /// The learner's rule [optimizer.name].
    #[arg(long, value_name = "NAME", default_value = "rmsprop")]
    optimizer: String,
    /// Gradients/s of each session; by default as fast as possible.
    #[arg(long, value_name = "R", value_parser = above_0)]
    rate: Option<f64>,
    /// Print one JSON object.
    #[arg(long)]
    #[serde(skip)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Encoding {
    F32,
    Bf16,
}

pub(super) fn positive(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| *number >= 1);
    number.ok_or_else(|| "expected a whole number, at least 1".into())
}

pub(super) fn above_0(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite() && *n > 0.0);
    number.ok_or_else(|| "expected a number above 0".into())
}

/// # Errors
/// Where a process fails, or the bench is interrupted.
pub(super) fn run(args: &IngestArgs) -> anyhow::Result<()> {
    let interruption = Interruption::catch()?;
    let rounds = (0..args.repeat).map(|_| {
        let round = Round::measure(args, &interruption)?;
        anyhow::Ok(serde_json::to_value(round)?)
    });
    let rounds = rounds.collect::<Result<_, _>>()?;
    summary::print(serde_json::to_value(args)?, rounds, args.json)
}

#[derive(Debug, Serialize)]
struct Round {
    learner: Ingest,
    #[serde(skip_serializing_if = "Option::is_none")]
    learner_without_tls: Option<Ingest>,
    /// From memory to memory.
    raw_socket: RawSocket,
    /// What is sent and received is nowhere as a whole: the upper limit.
    raw_socket_one_hot_block: RawSocket,
    memory_copy: MemoryCopy,
    optimizer_alone: OptimizerAlone,
    ratios: Ratios,
}

/// What is compared.
#[derive(Debug, Serialize)]
struct Ratios {
    #[serde(skip_serializing_if = "Option::is_none")]
    gradients_per_second_to_those_without_tls: Option<f64>,
    gigabytes_per_second_to_raw_socket: f64,
    gradients_per_second_to_optimizer_alone: f64,
    gradients_per_second_to_socket_and_optimizer: f64,
    peak_memory_to_parameters: f64,
}

impl Round {
    fn measure(args: &IngestArgs, interruption: &Interruption) -> anyhow::Result<Self> {
        let learner = Ingest::measure(args, interruption)?;
        let plain = IngestArgs {
            tls: false,
            ..args.clone()
        };
        let learner_without_tls = args
            .tls
            .then(|| Ingest::measure(&plain, interruption))
            .transpose()?;
        let raw_socket = |memory| {
            let seconds = args.seconds / 2.0;
            RawSocket::measure(&args.raw_traffic(memory), seconds, interruption)
        };
        let (raw_socket, raw_socket_one_hot_block) =
            (raw_socket(Memory::Whole)?, raw_socket(Memory::Block)?);
        let optimizer_alone = OptimizerAlone::measure(&args.optimizer, args.params)?;
        let ratios = Ratios {
            gradients_per_second_to_those_without_tls: learner_without_tls
                .as_ref()
                .map(|plain| learner.gradients_per_second / plain.gradients_per_second),
            gigabytes_per_second_to_raw_socket: learner.gigabytes_per_second
                / raw_socket.gigabytes_per_second,
            gradients_per_second_to_optimizer_alone: learner.gradients_per_second
                / optimizer_alone.steps_per_second,
            gradients_per_second_to_socket_and_optimizer: learner.gradients_per_second
                / both_per_second(&raw_socket, &optimizer_alone),
            peak_memory_to_parameters: learner.peak_memory_bytes as f64
                / learner.parameter_bytes as f64,
        };
        Ok(Self {
            learner,
            learner_without_tls,
            raw_socket,
            raw_socket_one_hot_block,
            memory_copy: MemoryCopy::measure(args.message_bytes()),
            optimizer_alone,
            ratios,
        })
    }
}

/// Messages a second that the cores which the raw socket kept busy would carry and apply, if each
/// cost what the socket and the optimiser take by themselves.
fn both_per_second(raw_socket: &RawSocket, optimizer: &OptimizerAlone) -> f64 {
    let carrying = raw_socket.cpu_seconds_per_message();
    let applying = optimizer.steps_per_second.recip();
    raw_socket.messages_per_second * carrying / (carrying + applying)
}

impl IngestArgs {
    /// Bytes of a vector on the wire.
    fn message_bytes(&self) -> usize {
        let element = match self.encoding {
            Encoding::F32 => 4,
            Encoding::Bf16 => 2,
        };
        self.params * element
    }

    fn transport(&self) -> Transport {
        match (self.unix, self.tls) {
            (true, _) => Transport::Unix,
            (false, true) => Transport::Tls,
            (false, false) => Transport::Tcp,
        }
    }

    fn raw_traffic(&self, memory: Memory) -> RawTraffic {
        let reply_bytes = match self.publish_every {
            Some(1) => self.message_bytes(),
            _ => ANSWER_BYTES,
        };
        RawTraffic {
            unix: self.unix,
            senders: self.actors,
            receivers: 1,
            connections: self.actors * self.sessions_per_process,
            message_bytes: self.message_bytes(),
            reply_bytes,
            in_flight: self.in_flight,
            sender_memory: memory,
            receiver_memory: memory,
        }
    }

    /// The learner's settings.
    fn settings(&self) -> Vec<String> {
        let publish = match self.publish_every {
            Some(updates) => format!("{{ updates = {updates} }}"),
            None => "{ interval_ms = 1000 }".to_owned(),
        };
        let send_weights = match self.publish_every {
            Some(1) => "after_gradient",
            _ => "each_publish",
        };
        let encoding = match self.encoding {
            Encoding::F32 => "f32",
            Encoding::Bf16 => "bf16",
        };
        vec![
            format!("learner.publish={publish}"),
            format!("wire.send_weights={send_weights}"),
            format!("wire.gradients={encoding}"),
            format!("wire.weights={encoding}"),
            format!("wire.gradients_in_flight={}", self.in_flight),
            format!("optimizer.name={}", self.optimizer),
        ]
    }

    fn sender_arguments(&self, learner: &LearnerProcess) -> Vec<String> {
        let rate = self.rate.map(|rate| rate.to_string());
        let files = learner.certificates();
        let file =
            |path: fn(&Certificates) -> &Path| files.map(|files| path(files).display().to_string());
        let flags = [
            ("--url", Some(learner.url().to_owned())),
            ("--params", Some(self.params.to_string())),
            ("--sessions", Some(self.sessions_per_process.to_string())),
            ("--rate", rate),
            ("--tls-ca", file(|files| &files.ca)),
            ("--tls-certificate", file(|files| &files.certificate)),
            ("--tls-key", file(|files| &files.key)),
        ];
        let given = flags
            .into_iter()
            .filter_map(|(flag, value)| Some([flag.to_owned(), value?]));
        given.flatten().collect()
    }
}

/// What the learner took.
#[derive(Debug, Serialize)]
struct Ingest {
    gradients_per_second: f64,
    gigabytes_per_second: f64,
    /// Distinct versions that reached the sessions.
    weights_received_per_second: f64,
    weights_received_per_gradient: f64,
    learner_cpu_seconds_per_gigabyte: f64,
    sender_cpu_seconds_per_gigabyte: f64,
    peak_memory_bytes: u64,
    parameter_bytes: u64,
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
    fn measure(args: &IngestArgs, interruption: &Interruption) -> anyhow::Result<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: IngestArgs,
    }

    fn parse(line: &str) -> Result<IngestArgs, String> {
        let words = ["bench"].into_iter().chain(line.split_whitespace());
        let parsed = Line::try_parse_from(words).map(|line| line.args);
        parsed.map_err(|error| error.to_string())
    }

    #[test]
    fn by_default_gradients_are_answered_and_weights_come_once_a_second() {
        let args = parse("").unwrap();
        assert_eq!(args.message_bytes(), 2_720_000);
        assert_eq!(args.raw_traffic(Memory::Whole).reply_bytes, ANSWER_BYTES);
        let settings = args.settings();
        assert!(settings.contains(&"learner.publish={ interval_ms = 1000 }".into()));
        assert!(settings.contains(&"wire.send_weights=each_publish".into()));
    }

    #[test]
    fn with_a_publish_for_every_update_weights_answer_in_both_measurements() {
        let args = parse("--publish-every 1 --encoding bf16 --params 100").unwrap();
        assert_eq!(args.raw_traffic(Memory::Whole).reply_bytes, 200);
        assert!(
            args.settings()
                .contains(&"wire.send_weights=after_gradient".into())
        );
        let rare = parse("--publish-every 2").unwrap();
        assert_eq!(rare.raw_traffic(Memory::Whole).reply_bytes, ANSWER_BYTES);
        assert!(
            rare.settings()
                .contains(&"learner.publish={ updates = 2 }".into())
        );
    }

    #[test]
    fn every_setting_of_the_learner_is_one_that_it_has() {
        for line in ["", "--publish-every 1", "--encoding bf16 --optimizer sgd"] {
            let settings = parse(line).unwrap().settings();
            troop_common::experiment::resolve("cartpole", &settings).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        for line in [
            "--params 0",
            "--seconds 0",
            "--rate -1",
            "--actors x",
            "--encoding f16",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
