use serde::Serialize;

use super::demand::{Demand, Learner};
use crate::summary::readable;

/// What the learners of a cluster have to be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Sizing {
    /// That could apply all gradients.
    learners_to_apply: f64,
    /// Whose cards could take them.
    learners_to_receive: f64,
    /// Whose cards could send all weights.
    learners_to_send: f64,
    /// The most of the three.
    pub(super) learners: usize,
    cores_each: f64,
    gigabits_in_each: f64,
    gigabits_out_each: f64,
}

impl Sizing {
    pub(super) fn new(demand: &Demand, learner: &Learner) -> Self {
        let (enters, leaves) = (
            demand.gigabytes_in_per_second(),
            demand.gigabytes_out_per_second(),
        );
        let network = learner.network_gigabits * learner.busy_share;
        let learners_to_apply = enters / (learner.gigabytes_per_second * learner.busy_share);
        let (learners_to_receive, learners_to_send) =
            (enters * 8.0 / network, leaves * 8.0 / network);
        let most = learners_to_apply.max(learners_to_receive);
        let learners = most.max(learners_to_send).ceil().max(1.0);
        let cpu = enters * learner.cpu_seconds_per_gigabyte
            + leaves * learner.weights_cpu_seconds_per_gigabyte;
        Self {
            learners_to_apply,
            learners_to_receive,
            learners_to_send,
            learners: learners as usize,
            cores_each: cpu / learners / learner.busy_share,
            gigabits_in_each: enters * 8.0 / learners,
            gigabits_out_each: leaves * 8.0 / learners,
        }
    }

    /// The arithmetic: what, and how it comes about.
    pub(super) fn arithmetic(
        &self,
        demand: &Demand,
        learner: &Learner,
    ) -> Vec<(&'static str, String)> {
        let count = |number: usize| readable(number as f64);
        let rate = readable(demand.gradients_per_second());
        let vector = format!("{} MB", readable(demand.vector_bytes() / 1e6));
        let enters = format!("{} GB/s", readable(demand.gigabytes_in_per_second()));
        let leaves = format!("{} GB/s", readable(demand.gigabytes_out_per_second()));
        let (workers, subscribers) = (count(demand.workers), count(demand.subscribers));
        let each = readable(demand.gradients_per_second_each);
        let publishes = readable(demand.publishes_per_second);
        let (parameters, bytes) = (count(demand.parameters), demand.encoding.bytes());
        vec![
            (
                "a vector",
                format!("{parameters} parameters × {bytes} bytes = {vector}"),
            ),
            (
                "gradients",
                format!("{workers} workers × {each} /s = {rate} /s"),
            ),
            ("gradients in", format!("{rate} /s × {vector} = {enters}")),
            (
                "weights out",
                format!("{subscribers} subscribers × {publishes} /s × {vector} = {leaves}"),
            ),
            ("to apply", self.applying(&enters, learner)),
            (
                "to receive",
                to_carry(&enters, learner, self.learners_to_receive),
            ),
            ("to send", to_carry(&leaves, learner, self.learners_to_send)),
            (
                "learners",
                format!("the most of these, rounded up = {}", self.learners),
            ),
            ("cores of each", self.cores(&enters, &leaves, learner)),
            ("network of each", self.network(&enters, &leaves)),
        ]
    }

    fn applying(&self, enters: &str, learner: &Learner) -> String {
        let speed = readable(learner.gigabytes_per_second);
        let found = readable(self.learners_to_apply);
        format!(
            "{enters} ÷ ({speed} GB/s × {}) = {found} learners",
            learner.busy_share
        )
    }

    fn cores(&self, enters: &str, leaves: &str, learner: &Learner) -> String {
        let Learner {
            cpu_seconds_per_gigabyte: cpu_in,
            weights_cpu_seconds_per_gigabyte: cpu_out,
            busy_share,
            ..
        } = learner;
        let (cpu_in, cpu_out) = (readable(*cpu_in), readable(*cpu_out));
        let (learners, cores) = (self.learners, readable(self.cores_each));
        format!(
            "({enters} × {cpu_in} s/GB + {leaves} × {cpu_out} s/GB) ÷ {learners} ÷ {busy_share} = {cores}"
        )
    }

    fn network(&self, enters: &str, leaves: &str) -> String {
        let learners = self.learners;
        let (gigabits_in, gigabits_out) = (
            readable(self.gigabits_in_each),
            readable(self.gigabits_out_each),
        );
        format!(
            "{enters} × 8 ÷ {learners} = {gigabits_in} Gbit/s in, {leaves} × 8 ÷ {learners} = {gigabits_out} Gbit/s out"
        )
    }
}

fn to_carry(gigabytes: &str, learner: &Learner, found: f64) -> String {
    let (card, found) = (readable(learner.network_gigabits), readable(found));
    format!(
        "{gigabytes} × 8 ÷ ({card} Gbit/s × {}) = {found} learners",
        learner.busy_share
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Encoding;

    /// 2 GB/s come, and 4 GB/s go.
    const DEMAND: Demand = Demand {
        parameters: 10_000_000,
        encoding: Encoding::F32,
        workers: 100,
        gradients_per_second_each: 0.5,
        subscribers: 100,
        publishes_per_second: 1.0,
    };

    const LEARNER: Learner = Learner {
        gigabytes_per_second: 1.0,
        cpu_seconds_per_gigabyte: 0.5,
        weights_cpu_seconds_per_gigabyte: 0.25,
        network_gigabits: 100.0,
        busy_share: 0.5,
    };

    #[test]
    fn the_scarcest_part_says_how_many_learners_it_takes() {
        let applying = Sizing::new(&DEMAND, &LEARNER);
        assert_eq!(applying.learners, 4, "2 GB/s ÷ 0.5 GB/s");
        assert_eq!(applying.cores_each, 2.0 / 4.0 / 0.5);
        assert_eq!(
            (applying.gigabits_in_each, applying.gigabits_out_each),
            (4.0, 8.0)
        );
        let slow = Learner {
            network_gigabits: 10.0,
            ..LEARNER
        };
        assert_eq!(
            Sizing::new(&DEMAND, &slow).learners,
            7,
            "32 Gbit/s ÷ 5 Gbit/s"
        );
        let few = Demand {
            workers: 1,
            subscribers: 1,
            ..DEMAND
        };
        assert_eq!(Sizing::new(&few, &LEARNER).learners, 1);
    }

    #[test]
    fn the_arithmetic_can_be_checked_by_hand() {
        let lines = Sizing::new(&DEMAND, &LEARNER).arithmetic(&DEMAND, &LEARNER);
        let line = |what| &lines.iter().find(|line| line.0 == what).unwrap().1;
        assert_eq!(line("a vector"), "10 000 000 parameters × 4 bytes = 40 MB");
        assert_eq!(line("gradients in"), "50 /s × 40 MB = 2 GB/s");
        assert_eq!(
            line("weights out"),
            "100 subscribers × 1 /s × 40 MB = 4 GB/s"
        );
        assert_eq!(line("to apply"), "2 GB/s ÷ (1 GB/s × 0.5) = 4 learners");
        assert_eq!(
            line("to send"),
            "4 GB/s × 8 ÷ (100 Gbit/s × 0.5) = 0.6400 learners"
        );
        assert_eq!(
            line("cores of each"),
            "(2 GB/s × 0.5000 s/GB + 4 GB/s × 0.2500 s/GB) ÷ 4 ÷ 0.5 = 1"
        );
    }
}
