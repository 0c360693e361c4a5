use troop_common::experience::{Segment, Transitions};
use troop_replay::{DrawnItems, Stretches};

use super::objective_error::ObjectiveError;

/// Experience to compute one gradient from.
#[derive(Clone, Copy, Debug)]
pub enum Batch<'a> {
    /// A segment as it was just lived through.
    Fresh(&'a Segment),
    /// A segment that is lived through again, acted by policies of before.
    Replayed(&'a Segment),
    /// Stretches from anywhere, side by side.
    Stretches(&'a Stretches),
    /// Transitions from anywhere.
    Transitions(&'a Transitions),
}

impl<'a> Batch<'a> {
    /// What a replay that workers share has given.
    pub fn of_items(items: &'a DrawnItems) -> Self {
        match items {
            DrawnItems::Transitions(transitions) => Self::Transitions(transitions),
            DrawnItems::Stretches(stretches) => Self::Stretches(stretches),
        }
    }

    /// The segment.
    ///
    /// # Errors
    /// If it is something else.
    pub fn segment(self) -> Result<&'a Segment, ObjectiveError> {
        match self {
            Self::Fresh(segment) | Self::Replayed(segment) => Ok(segment),
            Self::Stretches(stretches) => Ok(&stretches.segment),
            Self::Transitions(_) => Err(ObjectiveError::OtherExperience {
                expected: "segments",
                found: "transitions",
            }),
        }
    }

    /// Which rows are to be learnt from, `[T, E]`; all, if it does not say.
    pub fn learnt(self) -> Option<Vec<bool>> {
        match self {
            Self::Stretches(stretches) => Some(stretches.learnt()),
            Self::Fresh(_) | Self::Replayed(_) | Self::Transitions(_) => None,
        }
    }

    /// The transitions.
    ///
    /// # Errors
    /// If it is something else.
    pub fn transitions(self) -> Result<&'a Transitions, ObjectiveError> {
        match self {
            Self::Transitions(transitions) => Ok(transitions),
            Self::Fresh(_) | Self::Replayed(_) | Self::Stretches(_) => Err(ObjectiveError::OtherExperience {
                expected: "transitions",
                found: "segments",
            }),
        }
    }

    /// By which its source knows each of its items again; empty if it does not ask for priorities.
    pub fn keys(self) -> &'a [u64] {
        match self {
            Self::Transitions(transitions) => &transitions.keys,
            Self::Stretches(stretches) => &stretches.keys,
            Self::Fresh(_) | Self::Replayed(_) => &[],
        }
    }
}
