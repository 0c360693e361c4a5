use std::borrow::Cow;

use troop_common::experience::{Actions, End, ObservationBuffer, RecurrentState, Segment};

/// Rows of observations in the order of time, of `E` environments.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// `[T·E, …]`.
    pub observations: Cow<'a, ObservationBuffer>,
    /// Recurrent state before the first step, `[E, S]`; empty without an LSTM.
    pub state: Cow<'a, [f32]>,
    /// How each step ended, `[T, E]`: the step after an end starts from zeros. Empty: there is one step
    /// (`T` = 1), and none ends.
    pub ends: &'a [End],
    /// What was done in each row, for networks that take it in the next one; absent while nobody knows it.
    pub done: Option<Done<'a>>,
}

/// Actions `[T, E]`, and their rewards as they are learnt from, `[T, E]`.
#[derive(Clone, Debug)]
pub struct Done<'a> {
    /// `a_t`
    pub actions: Cow<'a, Actions>,
    /// `r_t`
    pub rewards: Cow<'a, [f32]>,
}

impl<'a> Input<'a> {
    /// One step of environments that have not just ended.
    pub fn step(observations: &'a ObservationBuffer, state: &'a RecurrentState) -> Self {
        Self {
            observations: Cow::Borrowed(observations),
            state: Cow::Borrowed(state.values()),
            ends: &[],
            done: None,
        }
    }

    /// Rows for a network without recurrent state.
    pub fn stateless(observations: &'a ObservationBuffer) -> Self {
        Self {
            observations: Cow::Borrowed(observations),
            state: Cow::Borrowed(&[]),
            ends: &[],
            done: None,
        }
    }

    /// All of a segment's steps from its initial state.
    pub fn segment(segment: &'a Segment) -> Self {
        Self {
            observations: Cow::Borrowed(&segment.observations),
            state: Cow::Borrowed(segment.initial_state.values()),
            ends: &segment.ends,
            done: Some(Done {
                actions: Cow::Borrowed(&segment.actions),
                rewards: Cow::Borrowed(&segment.rewards),
            }),
        }
    }

    /// A segment's observations that still have a value although no action follows them, see
    /// [`Segment::open_len`], with the recurrent state behind each, `[E + F, S]`.
    pub fn open(segment: &'a Segment, state: Vec<f32>) -> Self {
        Self {
            observations: segment.open_observations(),
            state: Cow::Owned(state),
            ends: &[],
            done: None,
        }
    }

    /// The same with other observations, as many.
    pub(super) fn showing<'b>(&'b self, observations: &'b ObservationBuffer) -> Input<'b> {
        Input {
            observations: Cow::Borrowed(observations),
            state: Cow::Borrowed(&self.state),
            ends: self.ends,
            done: self.done.as_ref().map(|done| Done {
                actions: Cow::Borrowed(&done.actions),
                rewards: Cow::Borrowed(&done.rewards),
            }),
        }
    }

    /// Rows, `T·E`.
    pub fn rows(&self) -> usize {
        self.observations.len()
    }
}
