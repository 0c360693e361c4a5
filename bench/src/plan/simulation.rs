//! Workers and shards in virtual time. Each shard is three servers that serve one after the other: its link inwards, what
//! applies, and its link outwards. A worker computes, sends a slice of the gradient to each shard, and goes on with the
//! newest weights that have come. What is random has a seed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::server::{Server, Span};
use super::worker::Worker;

/// What is simulated. Times are in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Cluster {
    pub(super) workers: usize,
    pub(super) shards: usize,
    /// Gradients of a worker that may be without an answer; an answer has come once the weights have that are sent for it.
    pub(super) in_flight: usize,
    /// Mean time that a worker computes a gradient for.
    pub(super) compute_seconds: f64,
    /// Of a slice of a gradient on its shard's link.
    pub(super) receive_seconds: f64,
    /// Mean time in which a shard applies a slice.
    pub(super) apply_seconds: f64,
    /// Of a slice of the weights on its shard's link.
    pub(super) send_seconds: f64,
    /// A worker is sent weights this often at most; 0 with each answer.
    pub(super) weights_period_seconds: f64,
    /// How much of the time of computing is random, exponentially distributed; the rest is constant.
    pub(super) compute_spread: f64,
    /// The same of applying.
    pub(super) apply_spread: f64,
    /// Gradients of the whole simulation.
    pub(super) gradients: usize,
    pub(super) seed: u64,
}

/// The way of a slice through its shard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passage {
    pub(super) shard: usize,
    pub(super) sent: f64,
    /// On the link inwards.
    pub(super) received: Span,
    pub(super) applied: Span,
    /// Updates of the shard since those weights that the gradient was computed on.
    pub(super) staleness: u32,
}

impl Passage {
    /// Seconds in which neither its bytes came nor it was applied.
    pub(super) fn waited(&self) -> f64 {
        (self.received.start - self.sent) + (self.applied.start - self.received.end)
    }
}

/// Seconds that all servers of a kind were busy in what was measured, together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Busy {
    pub(super) receiving: f64,
    pub(super) applying: f64,
    pub(super) sending: f64,
}

#[derive(Clone, Copy, PartialEq)]
enum Step {
    /// A worker takes weights and computes.
    Compute,
    /// It sends what it has computed.
    Send,
}

/// What a worker does next.
#[derive(Clone, Copy, PartialEq)]
struct Turn {
    at: f64,
    worker: usize,
    step: Step,
}

impl Eq for Turn {}

impl Ord for Turn {
    /// The earliest is the greatest, as a heap gives them.
    fn cmp(&self, other: &Self) -> Ordering {
        let later = other.at.total_cmp(&self.at);
        later.then(other.worker.cmp(&self.worker))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Default)]
struct Shard {
    receiving: Server,
    applying: Server,
    sending: Server,
    /// When each of its updates was done.
    updates: Vec<f64>,
}

impl Shard {
    fn servers(&mut self) -> [&mut Server; 3] {
        [&mut self.receiving, &mut self.applying, &mut self.sending]
    }

    /// Its version at a time.
    fn version(&self, at: f64) -> u32 {
        self.updates.partition_point(|&done| done <= at) as u32
    }
}

pub(super) struct Simulation {
    cluster: Cluster,
    shards: Vec<Shard>,
    workers: Vec<Worker>,
    turns: BinaryHeap<Turn>,
    rng: ChaCha8Rng,
}

impl Simulation {
    /// Workers send their first gradients one after the other within the time that a gradient takes them.
    pub(super) fn new(cluster: Cluster) -> Self {
        let first = |worker| Turn {
            at: cluster.compute_seconds * (worker + 1) as f64 / cluster.workers as f64,
            worker,
            step: Step::Send,
        };
        let shards = (0..cluster.shards).map(|_| Shard::default());
        let workers = (0..cluster.workers).map(|_| Worker::new(cluster.shards));
        Self {
            shards: shards.collect(),
            workers: workers.collect(),
            turns: (0..cluster.workers).map(first).collect(),
            rng: ChaCha8Rng::seed_from_u64(cluster.seed),
            cluster,
        }
    }

    /// Runs all gradients, of which the first quarter is before what is measured. `see` is given the ways of the slices of
    /// each gradient that is sent afterwards. Gives the time that was measured, and what servers did meanwhile.
    pub(super) fn run(mut self, mut see: impl FnMut(&[Passage])) -> (Span, Busy) {
        let (mut sent, before) = (0, self.cluster.gradients / 4);
        let (mut start, mut end) = (0.0, 0.0);
        while let Some(turn) = self.turns.pop()
            && sent < self.cluster.gradients
        {
            if turn.step == Step::Compute {
                self.compute(turn);
                continue;
            }
            end = turn.at;
            self.servers().for_each(|server| server.settle(end));
            if sent == before {
                start = end;
                self.servers().for_each(Server::forget);
            }
            let passages = self.send(turn);
            if sent >= before {
                see(&passages);
            }
            sent += 1;
        }
        (Span { start, end }, self.busy())
    }

    fn servers(&mut self) -> impl Iterator<Item = &mut Server> {
        self.shards.iter_mut().flat_map(Shard::servers)
    }

    fn compute(&mut self, turn: Turn) {
        let shards = &self.shards;
        self.workers[turn.worker].take_weights(turn.at, |shard, at| shards[shard].version(at));
        let cost = self.random(self.cluster.compute_seconds, self.cluster.compute_spread);
        self.turns.push(Turn {
            at: turn.at + cost,
            step: Step::Send,
            ..turn
        });
    }

    /// A worker sends a gradient; gives the ways of its slices.
    fn send(&mut self, turn: Turn) -> Vec<Passage> {
        let passages: Vec<_> = (0..self.cluster.shards)
            .map(|shard| self.pass(turn, shard))
            .collect();
        let applied = last(passages.iter().map(|passage| passage.applied.end));
        let period = self.cluster.weights_period_seconds;
        let answered = match self.workers[turn.worker].is_due(applied, period) {
            true => self.send_weights(turn.worker, applied, &passages),
            false => applied,
        };
        let worker = &mut self.workers[turn.worker];
        let free = worker.answered(answered, self.cluster.in_flight);
        self.turns.push(Turn {
            at: free.max(turn.at),
            step: Step::Compute,
            ..turn
        });
        passages
    }

    /// A slice comes by its shard's link and is applied.
    fn pass(&mut self, turn: Turn, shard: usize) -> Passage {
        let cost = self.random(self.cluster.apply_seconds, self.cluster.apply_spread);
        let base = self.workers[turn.worker].versions()[shard];
        let there = &mut self.shards[shard];
        let received = there.receiving.serve(turn.at, self.cluster.receive_seconds);
        let applied = there.applying.serve(received.end, cost);
        let version = there.updates.len() as u32;
        there.updates.push(applied.end);
        Passage {
            shard,
            sent: turn.at,
            received,
            applied,
            staleness: version - base,
        }
    }

    /// Each shard sends its slice of the weights once it has applied that of a gradient; gives when the last is there.
    fn send_weights(&mut self, worker: usize, applied: f64, passages: &[Passage]) -> f64 {
        let cost = self.cluster.send_seconds;
        let send = |passage: &Passage| {
            let sending = &mut self.shards[passage.shard].sending;
            sending.serve(passage.applied.end, cost)
        };
        let spans: Vec<_> = passages.iter().map(send).collect();
        let arrives = last(spans.iter().map(|span| span.end));
        let begins = spans.iter().map(|span| span.start).collect();
        self.workers[worker].expect(applied, arrives, begins);
        arrives
    }

    /// A time of this mean, so much of which is random.
    fn random(&mut self, mean: f64, spread: f64) -> f64 {
        if spread == 0.0 {
            return mean;
        }
        let exponential = -(1.0 - self.rng.random::<f64>()).ln();
        mean * (1.0 - spread + spread * exponential)
    }

    fn busy(&self) -> Busy {
        let sum = |server: fn(&Shard) -> &Server| {
            self.shards
                .iter()
                .map(|shard| server(shard).busy())
                .sum::<f64>()
        };
        Busy {
            receiving: sum(|shard| &shard.receiving),
            applying: sum(|shard| &shard.applying),
            sending: sum(|shard| &shard.sending),
        }
    }
}

fn last(times: impl Iterator<Item = f64>) -> f64 {
    times.fold(0.0, f64::max)
}
