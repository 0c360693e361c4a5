//! How far a worker may run ahead of the learner's answers.

use troop_common::experiment::{Experiment, SendWeights, StalenessPolicy};
use troop_common::role::Role;

/// Counts the gradients of one connection that still lack an answer.
///
/// A gradient is answered when its acknowledgement has come and, where the experiment wants it,
/// weights of at least the version that the acknowledgement names. Where workers take turns
/// (`learner.staleness = "bound"` or `"synchronous"`) the answer is the worker's turn: nothing is
/// computed before it.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    size: usize,
    answers_need_weights: bool,
    /// Gradients without an acknowledgement.
    unacknowledged: usize,
    /// Acknowledged gradients that wait for weights, each for at least this version.
    awaited: Vec<u64>,
    /// Version of the newest weights that have come.
    newest: Option<u64>,
}

impl Window {
    /// That of a connection on which nothing was sent yet.
    ///
    /// Who only acts takes no turns, and needs no newer weights: those come from others, who may wait for it.
    pub(super) fn new(experiment: &Experiment, role: Role) -> Self {
        use StalenessPolicy::{Bound, Synchronous};
        if !role.trains() {
            return Self {
                size: experiment.wire.gradients_in_flight,
                ..Self::default()
            };
        }
        let takes_turns = matches!(experiment.learner.staleness, Bound | Synchronous);
        let after_gradient = experiment.wire.send_weights == SendWeights::AfterGradient;
        let size = experiment.wire.gradients_in_flight;
        Self {
            size: if takes_turns { 1 } else { size },
            answers_need_weights: takes_turns || after_gradient,
            ..Self::default()
        }
    }

    /// Counts a gradient that was handed over to be sent.
    pub(super) fn sent(&mut self) {
        self.unacknowledged += 1;
    }

    /// Counts an acknowledgement that was given when the learner was at `version`.
    pub(super) fn acknowledged(&mut self, version: u64) {
        let Some(rest) = self.unacknowledged.checked_sub(1) else {
            return;
        };
        self.unacknowledged = rest;
        if self.answers_need_weights && self.newest < Some(version) {
            self.awaited.push(version);
        }
    }

    /// Counts weights that have come.
    pub(super) fn delivered(&mut self, version: u64) {
        self.newest = self.newest.max(Some(version));
        self.awaited.retain(|awaited| *awaited > version);
    }

    /// Whether another gradient may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.unacknowledged + self.awaited.len() < self.size
    }

    /// Whether the worker may compute on the weights that are there, or has to wait for those of
    /// an answer.
    pub(super) fn lets_compute(&self) -> bool {
        !self.answers_need_weights || self.has_room()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(send_weights: SendWeights, gradients_in_flight: usize) -> Window {
        let mut experiment = Experiment::default();
        experiment.wire.send_weights = send_weights;
        experiment.wire.gradients_in_flight = gradients_in_flight;
        Window::new(&experiment, Role::Bundled)
    }

    #[test]
    fn who_only_acts_never_waits_for_weights_of_an_answer() {
        let mut experiment = Experiment::default();
        experiment.wire.send_weights = SendWeights::AfterGradient;
        experiment.learner.staleness = StalenessPolicy::Bound;
        experiment.wire.gradients_in_flight = 2;
        let mut window = Window::new(&experiment, Role::Act);
        window.delivered(0);
        window.sent();
        window.sent();
        assert!(!window.has_room() && window.lets_compute());
        window.acknowledged(7);
        assert!(window.has_room() && window.lets_compute());
    }

    #[test]
    fn an_acknowledgement_makes_room_and_weights_do_not_matter() {
        let mut window = window(SendWeights::EachPublish, 2);
        for room in [true, false] {
            window.sent();
            assert_eq!((window.has_room(), window.lets_compute()), (room, true));
        }
        window.delivered(9);
        assert!(!window.has_room());
        window.acknowledged(10);
        assert!(window.has_room());
    }

    #[test]
    fn an_answer_with_weights_is_whole_once_both_have_come_in_either_order() {
        let mut window = window(SendWeights::AfterGradient, 1);
        window.delivered(0);
        for weights_first in [true, false] {
            let version = if weights_first { 1 } else { 2 };
            window.sent();
            assert!(!window.has_room() && !window.lets_compute());
            if weights_first {
                window.delivered(version);
                assert!(!window.has_room(), "not acknowledged");
                window.acknowledged(version);
            } else {
                window.acknowledged(version);
                assert!(!window.lets_compute(), "the weights are older");
                window.delivered(version - 1);
                assert!(!window.lets_compute(), "the weights are older");
                window.delivered(version + 5);
            }
            assert!(window.has_room() && window.lets_compute());
        }
    }

    #[test]
    fn a_refusal_at_a_version_that_is_here_already_is_whole_at_once() {
        let mut window = window(SendWeights::AfterGradient, 1);
        window.delivered(7);
        window.sent();
        window.acknowledged(7);
        assert!(window.has_room());
    }

    #[test]
    fn weights_complete_every_answer_up_to_their_version() {
        let mut window = window(SendWeights::AfterGradient, 3);
        for version in 1..=3 {
            window.sent();
            window.acknowledged(version);
        }
        assert!(!window.has_room());
        window.delivered(2);
        assert_eq!(window.awaited, [3]);
        window.sent();
        window.sent();
        assert!(!window.has_room());
        window.delivered(3);
        assert!(window.has_room());
    }

    #[test]
    fn answers_that_nobody_asked_for_change_nothing() {
        let mut window = window(SendWeights::AfterGradient, 1);
        window.acknowledged(3);
        assert!(window.has_room());
        window.sent();
        assert!(!window.has_room());
    }
}
