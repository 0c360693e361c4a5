use troop_common::experience::{Segment, Transitions};
use troop_replay::{DrawnItems, Stretches};

use super::objective_error::ObjectiveError;
use super::part::Part;

/// Experience to compute one gradient from.
#[derive(Clone, Copy, Debug)]
pub enum Batch<'a> {
    /// A segment as it was just lived through.
    Fresh(&'a Segment),
    /// Some steps of the segment that was lived through last.
    Part(Part<'a>),
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

    /// Whether its gradient is taken at the weights that acted. Every other one is taken at the newest.
    pub fn is_of_acting_weights(self) -> bool {
        matches!(self, Self::Fresh(_))
    }

    /// Whether it may be of long ago. Its observations are shown as they count at the moment; those of a segment that has just been
    /// acted as they did then, which the policy that acted depends on.
    pub fn is_remembered(self) -> bool {
        !matches!(self, Self::Fresh(_) | Self::Part(_))
    }

    /// The segment.
    ///
    /// # Errors
    /// If it is something else.
    pub fn segment(self) -> Result<&'a Segment, ObjectiveError> {
        match self {
            Self::Fresh(segment) | Self::Replayed(segment) => Ok(segment),
            Self::Stretches(stretches) => Ok(&stretches.segment),
            other => Err(other.instead_of("segments")),
        }
    }

    /// The stretches.
    ///
    /// # Errors
    /// If it is something else.
    pub fn stretches(self) -> Result<&'a Stretches, ObjectiveError> {
        match self {
            Self::Stretches(stretches) => Ok(stretches),
            other => Err(other.instead_of("stretches")),
        }
    }

    /// Part of a segment.
    ///
    /// # Errors
    /// If it is something else.
    pub fn part(self) -> Result<Part<'a>, ObjectiveError> {
        match self {
            Self::Part(part) => Ok(part),
            other => Err(other.instead_of("parts of segments")),
        }
    }

    /// Which rows are to be learnt from, `[T, E]`; all, if it does not say.
    pub fn learnt(self) -> Option<Vec<bool>> {
        match self {
            Self::Stretches(stretches) => Some(stretches.learnt()),
            _ => None,
        }
    }

    /// The transitions.
    ///
    /// # Errors
    /// If it is something else.
    pub fn transitions(self) -> Result<&'a Transitions, ObjectiveError> {
        match self {
            Self::Transitions(transitions) => Ok(transitions),
            other => Err(other.instead_of("transitions")),
        }
    }

    /// By which its source knows each of its items again; empty if it does not ask for priorities.
    pub fn keys(self) -> &'a [u64] {
        match self {
            Self::Transitions(transitions) => &transitions.keys,
            Self::Stretches(stretches) => &stretches.keys,
            Self::Fresh(_) | Self::Part(_) | Self::Replayed(_) => &[],
        }
    }

    fn instead_of(self, expected: &'static str) -> ObjectiveError {
        let found = match self {
            Self::Fresh(_) | Self::Replayed(_) => "segments",
            Self::Part(_) => "parts of segments",
            Self::Stretches(_) => "stretches",
            Self::Transitions(_) => "transitions",
        };
        ObjectiveError::OtherExperience { expected, found }
    }
}
