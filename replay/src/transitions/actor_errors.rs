//! TD errors of new transitions, out of what the actor knew when it acted.

use std::collections::VecDeque;

use troop_common::experience::End;

use super::transition::Transition;

/// `R + γ^m V(s_{t+m}) − Q(s_t, a_t)` of each transition of one environment, by the values that the actor had (Horgan et al.
/// 2018, §3): so that a new transition's priority costs no pass of a network.
///
/// `V(s_{t+m})` comes with the step that is taken there, which may be in the next segment: till then the transition waits.
/// Nothing is acted on behind a truncation or an interruption: there the value of the last state that was acted in stands in.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActorErrors {
    /// `Q(s_t, a_t)` of steps whose transition is not complete, oldest first.
    open: VecDeque<f32>,
    /// A transition that waits for the next value, and its `Q(s_t, a_t)`.
    waiting: Option<(Transition, f32)>,
    newest: f32,
}

impl ActorErrors {
    /// A step from a state of value `v` by an action of value `q`. `done` gets what waited for `v`, and its error.
    pub(crate) fn step(&mut self, [q, v]: [f32; 2], done: impl FnMut(Transition, f32)) {
        self.settle(v, done);
        self.open.push_back(q);
        self.newest = v;
    }

    /// The transition of the oldest open step is complete.
    pub(crate) fn complete(
        &mut self,
        transition: Transition,
        end: End,
        mut done: impl FnMut(Transition, f32),
    ) {
        let q = self.open.pop_front().unwrap_or_default();
        match end {
            End::Continues => self.waiting = Some((transition, q)),
            End::Truncated | End::Terminated | End::LifeLost => {
                done(transition, error(&transition, self.newest, q));
            }
        }
    }

    /// What comes next continues nothing.
    pub(crate) fn break_off(&mut self, done: impl FnMut(Transition, f32)) {
        self.settle(self.newest, done);
        self.open.clear();
    }

    fn settle(&mut self, v: f32, mut done: impl FnMut(Transition, f32)) {
        if let Some((transition, q)) = self.waiting.take() {
            done(transition, error(&transition, v, q));
        }
    }
}

/// The discount is 0 where the episode terminated.
fn error(transition: &Transition, v: f32, q: f32) -> f32 {
    match transition.next {
        Some(_) => transition.reward + transition.discount * v - q,
        None => transition.reward - q,
    }
}
