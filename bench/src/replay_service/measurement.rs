use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::latency;
use super::replay_process::ReplayProcess;
use super::workers::ReplayWorkersArgs;
use crate::exposition::Exposition;
use crate::helper::{Helper, SETTLE};
use crate::interruption::Interruption;
use crate::message_buffer::Buffering;
use crate::place::Place;
use crate::raw_socket::{RawSocket, RawTraffic};
use crate::shown::{SHOWN, WRITERS};
use crate::tally::Tally;

/// Workers that draw.
const READERS: usize = 1;

/// One kind of observations.
#[derive(Default, Serialize)]
pub(super) struct Kind {
    observations: &'static str,
    /// With nobody who draws.
    env_steps_added_per_second_alone: f64,
    gigabytes_added_per_second_alone: f64,
    /// With nobody who adds.
    transitions_drawn_per_second_alone: f64,
    gigabytes_drawn_per_second_alone: f64,
    /// Both at once.
    env_steps_added_per_second: f64,
    transitions_drawn_per_second: f64,
    /// Messages as large as a draw, over a plain socket.
    raw_socket_gigabytes_per_second: f64,
    /// Of those who draw alone.
    drawn_to_raw_socket: f64,
    draw_p50_seconds: f64,
    draw_p99_seconds: f64,
    priority_effective_p50_seconds: f64,
    priority_effective_p99_seconds: f64,
    peak_memory_bytes: u64,
    limit_bytes: u64,
    /// What its journal takes in the end; 0 without one.
    journal_bytes: u64,
}

/// What happens in a second.
#[derive(Clone, Copy, Default)]
struct Rates {
    env_steps: f64,
    transitions: f64,
    received_bytes: f64,
    sent_bytes: f64,
    draws: f64,
}

/// What one replay is measured with.
struct Bench<'a> {
    replay: ReplayProcess,
    shown: usize,
    batch: usize,
    seconds: f64,
    interruption: &'a Interruption,
}

impl Kind {
    pub(super) fn measure(
        replay: ReplayProcess,
        shown: usize,
        batch: usize,
        seconds: f64,
        interruption: &Interruption,
    ) -> anyhow::Result<Self> {
        let bench = Bench {
            replay,
            shown,
            batch: batch * SHOWN[shown].batches,
            seconds,
            interruption,
        };
        let added = bench.rates(&["replay-writers"])?;
        let drawn = bench.rates(&["replay-readers"])?;
        let mut kind = bench.kind(added, drawn)?;
        let both = bench.rates(&["replay-writers", "replay-readers"])?;
        kind.env_steps_added_per_second = both.env_steps;
        kind.transitions_drawn_per_second = both.transitions;
        kind.peak_memory_bytes = bench.replay.peak_memory_bytes()?;
        kind.journal_bytes = bench.replay.metrics()?.total("troop_replay_journal_bytes") as u64;
        Ok(kind)
    }

    /// What people read, in their units.
    fn rows(&self) -> [(&'static str, f64); 15] {
        let ms = |seconds: f64| seconds * 1e3;
        let mb = |bytes: u64| bytes as f64 / 1e6;
        [
            (
                "added env steps/s, alone",
                self.env_steps_added_per_second_alone,
            ),
            ("  GB/s", self.gigabytes_added_per_second_alone),
            (
                "drawn transitions/s, alone",
                self.transitions_drawn_per_second_alone,
            ),
            ("  GB/s", self.gigabytes_drawn_per_second_alone),
            ("  of a raw socket's", self.drawn_to_raw_socket),
            ("raw socket GB/s", self.raw_socket_gigabytes_per_second),
            ("added env steps/s", self.env_steps_added_per_second),
            ("drawn transitions/s", self.transitions_drawn_per_second),
            ("draw p50 ms", ms(self.draw_p50_seconds)),
            ("draw p99 ms", ms(self.draw_p99_seconds)),
            (
                "priority effective p50 ms",
                ms(self.priority_effective_p50_seconds),
            ),
            (
                "priority effective p99 ms",
                ms(self.priority_effective_p99_seconds),
            ),
            ("peak memory MB", mb(self.peak_memory_bytes)),
            ("limit MB", mb(self.limit_bytes)),
            ("journal MB", mb(self.journal_bytes)),
        ]
    }
}

impl Bench<'_> {
    /// What is known before both sides work at once.
    fn kind(&self, added: Rates, drawn: Rates) -> anyhow::Result<Kind> {
        let draws = latency::draws(&self.replay.url, self.batch)?;
        let priorities = latency::priorities(&self.replay.url)?;
        let draw_bytes = drawn.sent_bytes / drawn.draws.max(1e-9);
        let raw = raw(draw_bytes, self.seconds, self.interruption)?;
        Ok(Kind {
            observations: SHOWN[self.shown].name,
            env_steps_added_per_second_alone: added.env_steps,
            gigabytes_added_per_second_alone: added.received_bytes / 1e9,
            transitions_drawn_per_second_alone: drawn.transitions,
            gigabytes_drawn_per_second_alone: drawn.sent_bytes / 1e9,
            raw_socket_gigabytes_per_second: raw.gigabytes_per_second,
            drawn_to_raw_socket: drawn.sent_bytes / 1e9 / raw.gigabytes_per_second,
            draw_p50_seconds: draws.p50,
            draw_p99_seconds: draws.p99,
            priority_effective_p50_seconds: priorities.p50,
            priority_effective_p99_seconds: priorities.p99,
            limit_bytes: SHOWN[self.shown].bytes,
            ..Kind::default()
        })
    }

    /// Lets workers of these kinds work for a time.
    fn rates(&self, kinds: &[&'static str]) -> anyhow::Result<Rates> {
        let start = |kind: &&'static str| {
            let workers = if *kind == "replay-readers" {
                READERS
            } else {
                WRITERS
            };
            let url = &self.replay.url;
            let arguments = ReplayWorkersArgs::arguments(url, self.shown, self.batch, workers);
            Helper::start(kind, &arguments)
        };
        let mut helpers = kinds.iter().map(start).collect::<Result<Vec<_>, _>>()?;
        helpers.iter_mut().try_for_each(Helper::wait_ready)?;
        helpers.iter_mut().try_for_each(Helper::go)?;
        self.interruption.sleep(SETTLE)?;
        let before = Sample::take(&mut helpers, &self.replay)?;
        let time = Duration::from_secs_f64(self.seconds);
        self.interruption.sleep(time)?;
        let after = Sample::take(&mut helpers, &self.replay)?;
        // Writers end once what they have sent is answered.
        Helper::finish(helpers)?;
        Ok(after.since(&before))
    }
}

/// What workers and replay have counted by then.
struct Sample {
    at: Instant,
    tally: Tally,
    metrics: Exposition,
}

impl Sample {
    fn take(helpers: &mut [Helper], replay: &ReplayProcess) -> anyhow::Result<Self> {
        let tallies = helpers.iter_mut().map(Helper::tally);
        Ok(Self {
            tally: tallies.sum::<anyhow::Result<Tally>>()?,
            at: Instant::now(),
            metrics: replay.metrics()?,
        })
    }

    fn since(&self, before: &Self) -> Rates {
        let seconds = (self.at - before.at).as_secs_f64();
        let count = self.tally - before.tally;
        let total = |name| (self.metrics.total(name) - before.metrics.total(name)) / seconds;
        Rates {
            env_steps: count.sent as f64 / seconds,
            transitions: count.received as f64 / seconds,
            received_bytes: total("troop_replay_received_bytes_total"),
            sent_bytes: total("troop_replay_sent_bytes_total"),
            draws: total("troop_replay_draws_total"),
        }
    }
}

/// Messages of so many bytes over a plain socket, each answered by some.
fn raw(message_bytes: f64, seconds: f64, interruption: &Interruption) -> anyhow::Result<RawSocket> {
    let traffic = RawTraffic {
        unix: false,
        place: Place::default(),
        senders: 1,
        receivers: 1,
        connections: READERS,
        message_bytes: message_bytes.max(1.0) as usize,
        reply_bytes: 64,
        in_flight: 2,
        sender_memory: Buffering::Whole,
        receiver_memory: Buffering::Whole,
    };
    RawSocket::measure(&[traffic], seconds, interruption)
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let observations = self.observations;
        writeln!(f, "{observations}, {WRITERS} writers, {READERS} reader")?;
        let mut rows = self.rows().into_iter();
        rows.try_for_each(|(name, value)| writeln!(f, "  {name:<28} {value:>14.3}"))
    }
}
