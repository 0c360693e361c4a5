use troop_common::experience::{Segment, Transitions};

use super::objective_error::ObjectiveError;

/// Experience to compute one gradient from.
#[derive(Clone, Copy, Debug)]
pub enum Batch<'a> {
    /// A segment as it was just lived through.
    Fresh(&'a Segment),
    /// A segment that is lived through again, acted by policies of before.
    Replayed(&'a Segment),
    /// Transitions from anywhere.
    Transitions(&'a Transitions),
}

impl<'a> Batch<'a> {
    /// The segment.
    ///
    /// # Errors
    /// If it is something else.
    pub fn segment(self) -> Result<&'a Segment, ObjectiveError> {
        match self {
            Self::Fresh(segment) | Self::Replayed(segment) => Ok(segment),
            Self::Transitions(_) => Err(ObjectiveError::OtherExperience {
                expected: "segments",
                found: "transitions",
            }),
        }
    }

    /// The transitions.
    ///
    /// # Errors
    /// If it is something else.
    pub fn transitions(self) -> Result<&'a Transitions, ObjectiveError> {
        match self {
            Self::Transitions(transitions) => Ok(transitions),
            Self::Fresh(_) | Self::Replayed(_) => Err(ObjectiveError::OtherExperience {
                expected: "transitions",
                found: "segments",
            }),
        }
    }

    /// By which its source knows each of its items again; empty if it does not ask for priorities.
    pub fn keys(self) -> &'a [u64] {
        match self {
            Self::Transitions(transitions) => &transitions.keys,
            Self::Fresh(_) | Self::Replayed(_) => &[],
        }
    }
}
