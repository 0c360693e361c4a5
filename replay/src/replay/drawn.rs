use troop_common::experience::Transitions;

use crate::sequences::Stretches;

/// What a draw gave.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The items, with their keys and importance weights.
    pub items: DrawnItems,
    /// Version of the weights that each item was acted with, at its first step, `[B]`: the age of the data is the version now
    /// less this.
    pub versions: Vec<u64>,
}

/// Items of one kind.
#[derive(Clone, Debug)]
pub enum DrawnItems {
    /// Multi-step transitions.
    Transitions(Box<Transitions>),
    /// Unrolls or sequences.
    Stretches(Box<Stretches>),
}

impl Drawn {
    /// By which the replay knows each item again, `[B]`.
    pub fn keys(&self) -> &[u64] {
        match &self.items {
            DrawnItems::Transitions(transitions) => &transitions.keys,
            DrawnItems::Stretches(stretches) => &stretches.keys,
        }
    }

    /// Importance-sampling weights, the largest being 1, `[B]`.
    pub fn weights(&self) -> &[f32] {
        match &self.items {
            DrawnItems::Transitions(transitions) => &transitions.weights,
            DrawnItems::Stretches(stretches) => &stretches.weights,
        }
    }

    /// Env steps of all items: 1 for a transition, those that are not padding for a stretch.
    pub fn env_steps(&self) -> usize {
        match &self.items {
            DrawnItems::Transitions(transitions) => transitions.len(),
            DrawnItems::Stretches(stretches) => stretches.lengths.iter().sum(),
        }
    }
}
