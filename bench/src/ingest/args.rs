use std::ops::Range;
use std::path::Path;

use clap::{Args, ValueEnum};
use serde::Serialize;
use troop_common::shard_ranges::{MOST_SHARDS, shard_ranges};

use crate::certificates::Certificates;
use crate::learner_process::{LearnerProcess, Transport};
use crate::message_buffer::Buffering;
use crate::numbers::{above_0, positive};
use crate::place::Place;
use crate::raw_socket::RawTraffic;

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
    pub(super) params: usize,
    /// Processes that send.
    #[arg(long, value_name = "K", default_value_t = 2, value_parser = positive)]
    pub(super) actors: usize,
    /// Sessions of each process.
    #[arg(long, value_name = "M", default_value_t = 1, value_parser = positive)]
    sessions_per_process: usize,
    /// Learners that the parameters are spread over, a process each [learner.shards].
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = learners)]
    pub(super) shards: usize,
    /// A network namespace (`ip netns`) for a learner, and its address there; once for each learner, the lead first. What
    /// sends to them stays where the bench is.
    #[arg(long, value_name = "NAME=IP", conflicts_with_all = ["unix", "tls"])]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    netns: Vec<Place>,
    /// How gradients and weights travel [wire.gradients, wire.weights].
    #[arg(long, value_enum, default_value_t = Encoding::F32)]
    encoding: Encoding,
    /// A Unix socket in place of TCP.
    #[arg(long)]
    unix: bool,
    /// Mutual TLS with a throw-away CA, compared in each round with the same learner without; the raw sockets stay
    /// without.
    #[arg(long, conflicts_with = "unix")]
    pub(super) tls: bool,
    /// Seconds that the learner is measured for; raw sockets take as long, both kinds together.
    #[arg(long, value_name = "S", default_value_t = 5.0, value_parser = above_0)]
    pub(super) seconds: f64,
    /// Rounds; learner and raw sockets take turns, and medians are shown.
    #[arg(long, value_name = "R", default_value_t = 1, value_parser = positive)]
    pub(super) repeat: usize,
    /// Publish after every N updates; by default once a second. With 1 each gradient is answered by
    /// fresh weights [wire.send_weights].
    #[arg(long, value_name = "N", value_parser = positive)]
    publish_every: Option<usize>,
    /// Gradients of a session that may be unanswered [wire.gradients_in_flight].
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = positive)]
    in_flight: usize,
    /// The learner's rule [optimizer.name].
    #[arg(long, value_name = "NAME", default_value = "rmsprop")]
    pub(super) optimizer: String,
    /// Gradients/s of each session; by default as fast as possible.
    #[arg(long, value_name = "R", value_parser = above_0)]
    rate: Option<f64>,
    /// Print one JSON object.
    #[arg(long)]
    #[serde(skip)]
    pub(super) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Encoding {
    F32,
    Bf16,
}

impl Encoding {
    /// Of an element.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }
}

/// As many learners as a run can have.
fn learners(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=MOST_SHARDS).contains(number));
    number.ok_or_else(|| format!("expected a whole number from 1 to {MOST_SHARDS}"))
}

impl IngestArgs {
    /// As the defaults are, for some seconds.
    pub(super) fn shortly(params: usize, encoding: Encoding) -> Self {
        Self {
            params,
            actors: 2,
            sessions_per_process: 1,
            shards: 1,
            netns: Vec::new(),
            encoding,
            unix: false,
            tls: false,
            seconds: 2.0,
            repeat: 1,
            publish_every: None,
            in_flight: 2,
            optimizer: "rmsprop".into(),
            rate: None,
            json: false,
        }
    }

    /// The same over plain sockets.
    pub(super) fn without_tls(&self) -> Self {
        Self {
            tls: false,
            ..self.clone()
        }
    }

    /// Bytes of a vector on the wire.
    pub(super) fn message_bytes(&self) -> usize {
        self.params * self.encoding.bytes()
    }

    /// Of all parameters at the learners.
    pub(super) fn parameter_bytes(&self) -> u64 {
        (self.params * size_of::<f32>()) as u64
    }

    pub(super) fn transport(&self) -> Transport {
        match (self.unix, self.tls) {
            (true, _) => Transport::Unix,
            (false, true) => Transport::Tls,
            (false, false) => Transport::Tcp,
        }
    }

    /// Where each learner is, the lead first.
    ///
    /// # Errors
    /// If namespaces are given, but not one for each.
    pub(super) fn places(&self) -> anyhow::Result<Vec<Place>> {
        let (given, expected) = (self.netns.len(), self.shards);
        if given == 0 {
            return Ok(vec![Place::default(); expected]);
        }
        anyhow::ensure!(
            given == expected,
            "expected --netns once for each of {expected} learners, found it {given} times"
        );
        Ok(self.netns.clone())
    }

    /// A receiver in the place of each learner, for messages as large as its slices.
    ///
    /// # Errors
    /// If there are too many learners for the parameters, or places do not fit.
    pub(super) fn raw_traffic(&self, memory: Buffering) -> anyhow::Result<Vec<RawTraffic>> {
        let slices = shard_ranges(self.params, self.shards)?.into_iter();
        let lane = |(slice, place): (Range<usize>, Place)| {
            let message_bytes = slice.len() * self.encoding.bytes();
            RawTraffic {
                unix: self.unix,
                place,
                senders: self.actors,
                receivers: 1,
                connections: self.actors * self.sessions_per_process,
                message_bytes,
                reply_bytes: match self.publish_every {
                    Some(1) => message_bytes,
                    _ => ANSWER_BYTES,
                },
                in_flight: self.in_flight,
                sender_memory: memory,
                receiver_memory: memory,
            }
        };
        Ok(slices.zip(self.places()?).map(lane).collect())
    }

    /// The learner's settings.
    pub(super) fn settings(&self) -> Vec<String> {
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

    pub(super) fn sender_arguments(&self, learner: &LearnerProcess) -> Vec<String> {
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

    /// Bytes of the messages and of the replies of each receiver.
    fn lanes(args: &IngestArgs) -> Vec<(usize, usize)> {
        let lanes = args.raw_traffic(Buffering::Whole).unwrap().into_iter();
        lanes.map(|it| (it.message_bytes, it.reply_bytes)).collect()
    }

    #[test]
    fn each_learner_has_a_receiver_for_messages_as_large_as_its_slices() {
        let args = parse("--shards 3 --params 100 --publish-every 1 --encoding bf16").unwrap();
        assert_eq!(lanes(&args), [(64, 64), (64, 64), (72, 72)]);
        assert_eq!(args.places().unwrap(), vec![Place::default(); 3]);
        let few = parse("--shards 3 --params 32").unwrap();
        let refused = few.raw_traffic(Buffering::Whole).unwrap_err();
        assert!(refused.to_string().contains("2 or less"), "{refused}");
    }

    #[test]
    fn there_is_a_namespace_for_each_learner_or_none() {
        let there = parse("--shards 2 --netns a=10.0.0.1 --netns b=10.0.1.1").unwrap();
        assert_eq!(there.places().unwrap()[1], "b=10.0.1.1".parse().unwrap());
        let missing = parse("--shards 2 --netns a=10.0.0.1").unwrap();
        assert!(missing.places().is_err());
    }

    #[test]
    fn by_default_gradients_are_answered_and_weights_come_once_a_second() {
        let args = parse("").unwrap();
        assert_eq!(args.message_bytes(), 2_720_000);
        assert_eq!(lanes(&args), [(2_720_000, ANSWER_BYTES)]);
        let settings = args.settings();
        assert!(settings.contains(&"learner.publish={ interval_ms = 1000 }".into()));
        assert!(settings.contains(&"wire.send_weights=each_publish".into()));
    }

    #[test]
    fn with_a_publish_for_every_update_weights_answer_in_both_measurements() {
        let args = parse("--publish-every 1 --encoding bf16 --params 100").unwrap();
        assert_eq!(lanes(&args), [(200, 200)]);
        assert!(
            args.settings()
                .contains(&"wire.send_weights=after_gradient".into())
        );
        let rare = parse("--publish-every 2").unwrap();
        assert_eq!(lanes(&rare)[0].1, ANSWER_BYTES);
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
            "--shards 0",
            "--shards 65",
            "--netns a=10.0.0.1 --unix",
            "--seconds 0",
            "--rate -1",
            "--actors x",
            "--encoding f16",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
