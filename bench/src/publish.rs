//! `troop bench publish`: weights out of a learner to many subscribers.

use std::time::{Duration, Instant};

use clap::Args;
use serde::Serialize;

use super::helper::{Helper, SETTLE};
use super::interruption::Interruption;
use super::learner_process::{LearnerProcess, Transport};
use super::message_buffer::Buffering;
use super::numbers::{above_0, positive};
use super::place::Place;
use super::raw_socket::{RawSocket, RawTraffic, shares};
use super::rounds;
use super::tally::Tally;

/// Measure how fast weights reach many subscribers, beside what plain sockets carry.
///
/// A learner, one sender whose gradients make it publish, and the subscribers run in processes of
/// their own, over the real wire. The same run then measures raw sockets: one process that writes
/// one buffer to as many connections.
#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct PublishArgs {
    /// Parameters, 4 bytes each.
    #[arg(long, value_name = "N", default_value_t = 10_000_000, value_parser = positive)]
    params: usize,
    /// Subscribers, a connection each.
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = positive)]
    subscribers: usize,
    /// Processes that the subscribers share.
    #[arg(long, value_name = "P", default_value_t = 2, value_parser = positive)]
    processes: usize,
    /// Further subscribers that open their stream and never read; measured in a second interval.
    #[arg(long, value_name = "M", default_value_t = 0)]
    stalled: usize,
    /// A Unix socket in place of TCP.
    #[arg(long)]
    unix: bool,
    /// Seconds of each measurement.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = above_0)]
    seconds: f64,
    /// Rounds; learner and raw sockets take turns, and medians are shown.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = positive)]
    repeat: usize,
    /// Print one JSON object.
    #[arg(long)]
    #[serde(skip)]
    json: bool,
}

/// # Errors
/// If a process fails, or the bench is interrupted.
pub(super) fn run(args: &PublishArgs) -> anyhow::Result<()> {
    rounds::report(args, args.repeat, args.json, |interruption| {
        Round::measure(args, interruption)
    })
}

#[derive(Debug, Serialize)]
struct Round {
    learner: Broadcast,
    /// The same once there are subscribers that do not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    learner_with_stalled: Option<Broadcast>,
    raw_socket: RawSocket,
    ratios: Ratios,
}

/// What is compared.
#[derive(Debug, Serialize)]
struct Ratios {
    gigabytes_per_second_to_raw_socket: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gigabytes_per_second_with_stalled_to_without: Option<f64>,
    peak_memory_to_parameters: f64,
}

/// What reached the subscribers that read.
#[derive(Debug, Serialize)]
struct Broadcast {
    gigabytes_per_second: f64,
    /// Whole vectors, over all subscribers.
    weights_received_per_second: f64,
    publishes_per_second: f64,
    gradients_per_second: f64,
    learner_cpu_seconds_per_gigabyte: f64,
    subscriber_cpu_seconds_per_gigabyte: f64,
    peak_memory_bytes: u64,
    parameter_bytes: u64,
}

impl Round {
    fn measure(args: &PublishArgs, interruption: &Interruption) -> anyhow::Result<Self> {
        let mut bench = Bench::start(args)?;
        let learner = bench.measure(args, interruption)?;
        let stalled = (args.stalled > 0).then(|| {
            let _stalled = bench.stall(args.stalled)?;
            bench.measure(args, interruption)
        });
        let learner_with_stalled = stalled.transpose()?;
        bench.finish()?;
        let raw_socket = RawSocket::measure(&[args.raw_traffic()], args.seconds, interruption)?;
        let last = learner_with_stalled.as_ref().unwrap_or(&learner);
        let with_stalled = learner_with_stalled.as_ref();
        let ratios = Ratios {
            gigabytes_per_second_to_raw_socket: learner.gigabytes_per_second
                / raw_socket.gigabytes_per_second,
            gigabytes_per_second_with_stalled_to_without: with_stalled
                .map(|stalled| stalled.gigabytes_per_second / learner.gigabytes_per_second),
            peak_memory_to_parameters: last.peak_memory_bytes as f64 / last.parameter_bytes as f64,
        };
        Ok(Self {
            learner,
            learner_with_stalled,
            raw_socket,
            ratios,
        })
    }
}

impl PublishArgs {
    fn parameter_bytes(&self) -> usize {
        self.params * size_of::<f32>()
    }

    fn raw_traffic(&self) -> RawTraffic {
        RawTraffic {
            unix: self.unix,
            place: Place::default(),
            senders: 1,
            receivers: self.processes,
            connections: self.subscribers,
            message_bytes: self.parameter_bytes(),
            reply_bytes: 0,
            in_flight: 1,
            // Subscribers keep no weights: they count what comes and forget it.
            sender_memory: Buffering::Whole,
            receiver_memory: Buffering::Block,
        }
    }
}

/// Every update is a publish as soon as there is memory for one, which is when the subscribers have
/// got on. Applying is as cheap as it can be: it is not what is measured.
const SETTINGS: [&str; 3] = [
    "optimizer.name=sgd",
    "learner.publish={ updates = 1 }",
    "wire.gradients_in_flight=1",
];

/// Gradients/s, each of which makes the learner look whether it can publish.
const UPDATES_PER_SECOND: &str = "10";

/// The processes of one round.
struct Bench {
    sender: Helper,
    subscribers: Vec<Helper>,
    learner: LearnerProcess,
}

impl Bench {
    fn start(args: &PublishArgs) -> anyhow::Result<Self> {
        let transport = match args.unix {
            true => Transport::Unix,
            false => Transport::Tcp,
        };
        let learner = LearnerProcess::start(transport, &SETTINGS.map(String::from))?;
        let url = learner.url().to_owned();
        let params = args.params.to_string();
        let sender = [
            "--url",
            &url,
            "--params",
            &params,
            "--sessions",
            "1",
            "--rate",
            UPDATES_PER_SECOND,
        ]
        .map(String::from);
        let mut sender = Helper::start("sender", &sender)?;
        // There are weights to follow once it has sent some gradients.
        sender.wait_ready()?;
        let start = |share| subscribe(&url, share, false);
        let mut subscribers = shares(args.subscribers, args.processes)
            .map(start)
            .collect::<Result<Vec<_>, _>>()?;
        subscribers.iter_mut().try_for_each(Helper::wait_ready)?;
        subscribers.iter_mut().try_for_each(Helper::go)?;
        sender.go()?;
        Ok(Self {
            sender,
            subscribers,
            learner,
        })
    }

    /// Adds subscribers that do not read.
    fn stall(&self, count: usize) -> anyhow::Result<Helper> {
        let mut stalled = subscribe(self.learner.url(), count, true)?;
        stalled.wait_ready()?;
        Ok(stalled)
    }

    fn measure(&mut self, args: &PublishArgs, wait: &Interruption) -> anyhow::Result<Broadcast> {
        wait.sleep(SETTLE)?;
        let first = self.sample()?;
        wait.sleep(Duration::from_secs_f64(args.seconds))?;
        let last = self.sample()?;
        let seconds = last.at.duration_since(first.at).as_secs_f64();
        let received = last.received - first.received;
        let gigabytes = received.received_bytes as f64 / 1e9;
        Ok(Broadcast {
            gigabytes_per_second: gigabytes / seconds,
            weights_received_per_second: received.received as f64 / seconds,
            publishes_per_second: (last.publishes - first.publishes) / seconds,
            gradients_per_second: (last.gradients - first.gradients) / seconds,
            learner_cpu_seconds_per_gigabyte: (last.learner_cpu - first.learner_cpu) / gigabytes,
            subscriber_cpu_seconds_per_gigabyte: (last.subscriber_cpu - first.subscriber_cpu)
                / gigabytes,
            peak_memory_bytes: self.learner.peak_memory_bytes()?,
            parameter_bytes: args.parameter_bytes() as u64,
        })
    }

    fn sample(&mut self) -> anyhow::Result<Sample> {
        let tallies = self.subscribers.iter_mut().map(Helper::tally);
        let received = tallies.sum::<Result<_, _>>()?;
        let at = Instant::now();
        let metrics = self.learner.metrics()?;
        let cpu = self.subscribers.iter().map(Helper::cpu_seconds);
        Ok(Sample {
            at,
            received,
            publishes: metrics.total("troop_learner_publishes_total"),
            gradients: metrics.total("troop_learner_gradients_applied_total"),
            learner_cpu: self.learner.cpu_seconds()?,
            subscriber_cpu: cpu.sum::<Result<_, _>>()?,
        })
    }

    /// Ends all of them; none may have failed meanwhile.
    fn finish(self) -> anyhow::Result<()> {
        Helper::finish(self.subscribers)?;
        Helper::finish(vec![self.sender])?;
        Ok(())
    }
}

fn subscribe(url: &str, count: usize, stalled: bool) -> anyhow::Result<Helper> {
    let count = count.to_string();
    let mut arguments = ["--url", url, "--subscribers", &count]
        .map(String::from)
        .to_vec();
    arguments.extend(stalled.then(|| "--stalled".to_owned()));
    Helper::start("subscriber", &arguments)
}

struct Sample {
    at: Instant,
    received: Tally,
    publishes: f64,
    gradients: f64,
    learner_cpu: f64,
    subscriber_cpu: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_of_the_learner_is_one_that_it_has() {
        troop_common::experiment::resolve("cartpole", &SETTINGS.map(String::from)).unwrap();
    }
}
