use std::collections::VecDeque;

/// Weights on their way to a worker.
#[derive(Debug)]
struct Delivery {
    /// When the last slice of them is there.
    arrives: f64,
    /// When each shard began to send its slice: it sends the newest that it has then.
    begins: Vec<f64>,
}

/// A worker of the simulation. Times are in seconds from the beginning.
#[derive(Debug)]
pub(super) struct Worker {
    /// When gradients are answered that may still be waited for, oldest first.
    answers: VecDeque<f64>,
    /// The version of each shard's slice of the weights that it computes on.
    versions: Vec<u32>,
    /// Newer ones, oldest first.
    deliveries: VecDeque<Delivery>,
    /// When the last weights were asked for.
    asked_at: f64,
}

impl Worker {
    /// One of a run of so many shards, with the first parameters.
    pub(super) fn new(shards: usize) -> Self {
        Self {
            answers: VecDeque::new(),
            versions: vec![0; shards],
            deliveries: VecDeque::new(),
            asked_at: f64::NEG_INFINITY,
        }
    }

    /// The version of each shard's slice of the weights that it computes on.
    pub(super) fn versions(&self) -> &[u32] {
        &self.versions
    }

    /// Whether it is sent weights at `at`: none are under way then, and the last were sent `period` seconds before.
    pub(super) fn is_due(&self, at: f64, period: f64) -> bool {
        let last = self.deliveries.back();
        last.is_none_or(|last| last.arrives <= at) && at - self.asked_at >= period
    }

    /// It is sent weights at `at`.
    pub(super) fn expect(&mut self, at: f64, arrives: f64, begins: Vec<f64>) {
        self.asked_at = at;
        self.deliveries.push_back(Delivery { arrives, begins });
    }

    /// Its newest gradient is answered at `at`. Gives when the one is that it waits for, so that `in_flight` are without an
    /// answer at most.
    pub(super) fn answered(&mut self, at: f64, in_flight: usize) -> f64 {
        self.answers.push_back(at);
        match self.answers.len() < in_flight {
            true => 0.0,
            false => self.answers.pop_front().unwrap_or_default(),
        }
    }

    /// Takes the newest weights that are there at `now`; `version` says which one a shard had at a time.
    pub(super) fn take_weights(&mut self, now: f64, version: impl Fn(usize, f64) -> u32) {
        let there = self.deliveries.iter().take_while(|it| it.arrives <= now);
        let there = there.count();
        let newest = self.deliveries.drain(..there).next_back();
        let begins = newest.into_iter().flat_map(|there| there.begins);
        for (shard, at) in begins.enumerate() {
            self.versions[shard] = version(shard, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_the_answer_that_makes_room_for_another_gradient() {
        let mut alone = Worker::new(1);
        assert_eq!(alone.answered(4.0, 1), 4.0);
        let mut ahead = Worker::new(1);
        let waits = [4.0, 5.0, 6.0].map(|at| ahead.answered(at, 2));
        assert_eq!(waits, [0.0, 4.0, 5.0]);
    }

    #[test]
    fn it_takes_the_newest_weights_that_are_there() {
        let mut worker = Worker::new(2);
        worker.expect(1.0, 3.0, vec![1.0, 2.0]);
        assert!(!worker.is_due(2.0, 0.0) && worker.is_due(3.0, 2.0));
        assert!(!worker.is_due(3.0, 2.5), "too early");
        worker.expect(3.0, 6.0, vec![4.0, 5.0]);
        let version = |shard: usize, at: f64| 100 * shard as u32 + at as u32;
        let mut at = |now| {
            worker.take_weights(now, version);
            worker.versions().to_vec()
        };
        assert_eq!(at(2.0), [0, 0]);
        assert_eq!(at(5.0), [1, 102]);
        assert_eq!(at(6.0), [4, 105]);
    }
}
