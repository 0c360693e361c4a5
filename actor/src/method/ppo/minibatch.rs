use std::borrow::Cow;

use troop_common::experience::{Actions, End, ObservationBuffer};
use troop_common::spaces::Spaces;

use crate::method::part::Part;
use crate::nn::{Done, Input};

/// Some steps of a segment by themselves, as a network takes them.
#[derive(Debug)]
pub(super) struct Minibatch {
    pub(super) observations: ObservationBuffer,
    pub(super) actions: Actions,
    /// Recurrent state before the first step, `[E', S]`; empty without an LSTM.
    state: Vec<f32>,
    /// `[T, E']`; empty without an LSTM, for which there is no order in time.
    ends: Vec<End>,
    /// `[B]`
    rewards: Vec<f32>,
}

impl Minibatch {
    pub(super) fn new(spaces: &Spaces) -> Self {
        Self {
            observations: ObservationBuffer::new(&spaces.observation),
            actions: Actions::none(&spaces.action),
            state: Vec::new(),
            ends: Vec::new(),
            rewards: Vec::new(),
        }
    }

    /// Takes the part's steps; memory is kept.
    pub(super) fn take(&mut self, part: Part<'_>) {
        let Part { segment, rows, .. } = part;
        self.observations.clear();
        self.observations.extend_rows(&segment.observations, rows);
        self.actions = segment.actions.of_rows(rows, segment.len());
        let first = rows.iter().take_while(|row| **row < segment.environments);
        let environments: Vec<usize> = first.copied().collect();
        self.state = segment.initial_state.of_some(&environments);
        self.rewards.clear();
        self.rewards
            .extend(rows.iter().map(|row| segment.rewards[*row]));
        self.ends.clear();
        if !self.state.is_empty() {
            self.ends.extend(rows.iter().map(|row| segment.ends[*row]));
        }
    }

    pub(super) fn input(&self) -> Input<'_> {
        Input {
            observations: Cow::Borrowed(&self.observations),
            state: Cow::Borrowed(&self.state),
            ends: &self.ends,
            done: Some(Done {
                actions: Cow::Borrowed(&self.actions),
                rewards: Cow::Borrowed(&self.rewards),
            }),
        }
    }
}
