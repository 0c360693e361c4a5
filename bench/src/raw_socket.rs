use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use troop_common::address::Address;

use super::helper::{Helper, SETTLE};
use super::interruption::Interruption;
use super::message_buffer::Buffering;
use super::place::Place;
use super::tally::Tally;

/// What a measurement over raw sockets is like.
#[derive(Debug)]
pub(super) struct RawTraffic {
    /// A Unix socket in place of TCP.
    pub(super) unix: bool,
    /// Where receivers are, if they listen.
    pub(super) place: Place,
    /// Processes that send.
    pub(super) senders: usize,
    /// Processes that receive.
    pub(super) receivers: usize,
    /// Connections, all together.
    pub(super) connections: usize,
    /// Bytes of a message.
    pub(super) message_bytes: usize,
    /// Bytes of a reply; 0 for none.
    pub(super) reply_bytes: usize,
    /// Messages of a connection that may be without a reply.
    pub(super) in_flight: usize,
    /// What senders write from.
    pub(super) sender_memory: Buffering,
    /// What receivers read into.
    pub(super) receiver_memory: Buffering,
}

/// All processes of one direction.
#[derive(Clone, Copy)]
struct Side {
    name: &'static str,
    processes: usize,
    memory: Buffering,
}

/// What plain blocking sockets carry between as many processes, connections and messages.
#[derive(Debug, Serialize)]
pub(super) struct RawSocket {
    pub(super) messages_per_second: f64,
    pub(super) gigabytes_per_second: f64,
    sender_cpu_seconds_per_gigabyte: f64,
    receiver_cpu_seconds_per_gigabyte: f64,
}

impl RawSocket {
    /// Of both sides together.
    pub(super) fn cpu_seconds_per_message(&self) -> f64 {
        let per_gigabyte =
            self.sender_cpu_seconds_per_gigabyte + self.receiver_cpu_seconds_per_gigabyte;
        per_gigabyte * self.gigabytes_per_second / self.messages_per_second
    }

    /// Measures for a time. Where there is one receiver it listens, else the one sender does. All of `lanes` are there at
    /// once; a message is whole once its part has come by each of them.
    ///
    /// # Errors
    /// If a process fails, or the bench is interrupted.
    pub(super) fn measure(
        lanes: &[RawTraffic],
        seconds: f64,
        interruption: &Interruption,
    ) -> anyhow::Result<Self> {
        let (mut senders, mut receivers) = (Vec::new(), Vec::new());
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
        for (index, lane) in lanes.iter().enumerate() {
            let socket = directory.path().join(format!("raw-{index}.sock"));
            let (sending, receiving) = lane.start(socket)?;
            senders.extend(sending);
            receivers.extend(receiving);
        }
        for helper in receivers.iter_mut().chain(&mut senders) {
            helper.wait_ready()?;
        }
        for helper in receivers.iter_mut().chain(&mut senders) {
            helper.go()?;
        }
        interruption.sleep(SETTLE)?;
        let first = Sample::take(&senders, &mut receivers)?;
        interruption.sleep(Duration::from_secs_f64(seconds))?;
        let last = Sample::take(&senders, &mut receivers)?;
        // Senders go first: receivers end with their connections.
        Helper::finish(senders)?;
        Helper::finish(receivers)?;
        Ok(last.since(&first, lanes.len()))
    }
}

impl RawTraffic {
    fn start(&self, socket: PathBuf) -> anyhow::Result<(Vec<Helper>, Vec<Helper>)> {
        let listen = match self.unix {
            true => Address::Unix(socket),
            false => self.place.listen().into(),
        };
        let listen = listen.to_string();
        let (senders, receivers) = (self.senders(), self.receivers());
        let (listening, connecting) = match self.receivers {
            1 => (receivers, senders),
            _ => (senders, receivers),
        };
        let arguments = self.arguments(listening, ["--listen", &listen], self.connections);
        let mut listener = Helper::start_at(&self.place, listening.name, &arguments)?;
        let address = listener.address()?;
        let others = shares(self.connections, connecting.processes)
            .map(|share| self.arguments(connecting, ["--connect", &address], share))
            .map(|arguments| Helper::start(connecting.name, &arguments))
            .collect::<Result<_, _>>()?;
        Ok(match self.receivers {
            1 => (others, vec![listener]),
            _ => (vec![listener], others),
        })
    }

    fn senders(&self) -> Side {
        Side {
            name: "raw-sender",
            processes: self.senders,
            memory: self.sender_memory,
        }
    }

    fn receivers(&self) -> Side {
        Side {
            name: "raw-receiver",
            processes: self.receivers,
            memory: self.receiver_memory,
        }
    }

    fn arguments(&self, side: Side, address: [&str; 2], connections: usize) -> Vec<String> {
        let numbers = [
            ("--connections", connections),
            ("--message-bytes", self.message_bytes),
            ("--reply-bytes", self.reply_bytes),
            ("--in-flight", self.in_flight),
        ];
        let numbers = numbers.map(|(flag, number)| [flag.to_owned(), number.to_string()]);
        let memory = ["--memory", side.memory.argument()];
        let given = [address, memory].into_iter().flatten().map(str::to_owned);
        given.chain(numbers.into_iter().flatten()).collect()
    }
}

/// `total` in `parts` that differ by 1 at most.
pub(super) fn shares(total: usize, parts: usize) -> impl Iterator<Item = usize> {
    (0..parts).map(move |part| total / parts + usize::from(part < total % parts))
}

struct Sample {
    at: Instant,
    received: Tally,
    sender_cpu: f64,
    receiver_cpu: f64,
}

impl Sample {
    fn take(senders: &[Helper], receivers: &mut [Helper]) -> anyhow::Result<Self> {
        let cpu = |helpers: &[Helper]| {
            helpers
                .iter()
                .map(Helper::cpu_seconds)
                .sum::<anyhow::Result<f64>>()
        };
        let tally = receivers
            .iter_mut()
            .map(Helper::tally)
            .sum::<Result<_, _>>()?;
        Ok(Self {
            at: Instant::now(),
            received: tally,
            sender_cpu: cpu(senders)?,
            receiver_cpu: cpu(receivers)?,
        })
    }

    /// What came meanwhile, each message in so many parts.
    fn since(&self, earlier: &Self, parts: usize) -> RawSocket {
        let seconds = self.at.duration_since(earlier.at).as_secs_f64();
        let received = self.received - earlier.received;
        let gigabytes = received.received_bytes as f64 / 1e9;
        RawSocket {
            messages_per_second: received.received as f64 / parts as f64 / seconds,
            gigabytes_per_second: gigabytes / seconds,
            sender_cpu_seconds_per_gigabyte: (self.sender_cpu - earlier.sender_cpu) / gigabytes,
            receiver_cpu_seconds_per_gigabyte: (self.receiver_cpu - earlier.receiver_cpu)
                / gigabytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_1_at_most_and_leave_nothing_out() {
        let of = |total, parts| shares(total, parts).collect::<Vec<_>>();
        assert_eq!(of(32, 2), [16, 16]);
        assert_eq!(of(7, 3), [3, 2, 2]);
        assert_eq!(of(1, 2), [1, 0]);
    }
}
