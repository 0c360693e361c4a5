use rand_chacha::ChaCha8Rng;
use troop_common::experience::{Actions, ObservationBuffer, RecurrentState, Segment};

use crate::nn::Model;

/// What actions are chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To learn, at this point of the run.
    Explore {
        /// Frames that the whole run has taken, as far as this worker knows: never less than before.
        frames: u64,
    },
    /// To be evaluated: as the policy says, without extra exploration.
    Evaluate {
        /// Whether a stochastic policy takes its likeliest action instead of drawing one.
        greedy: bool,
    },
}

/// What was chosen for one step of `E` environments.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// One action for each environment.
    pub actions: Actions,
    /// Statistics of the distributions that they were drawn from, `[E, P]`; empty if the method does
    /// not learn from them.
    pub behaviour: Vec<f32>,
    /// Recurrent state after the step, `[E, S]`.
    pub state: Vec<f32>,
}

/// Turns observations into decisions; the network is passed in.
pub trait Behaviour: Send {
    /// One action for each environment, from what it shows now and its recurrent state.
    fn act(
        &mut self,
        online: &mut dyn Model,
        shown: &ObservationBuffer,
        state: &RecurrentState,
        purpose: Purpose,
        rng: &mut ChaCha8Rng,
    ) -> Decision;

    /// Adds to a segment that is whole what it decides ahead, see [`Segment::open_actions`].
    fn complete(&mut self, _online: &mut dyn Model, _segment: &mut Segment, _rng: &mut ChaCha8Rng) {
    }

    /// The environments were reset: what was planned in them is void.
    fn interrupted(&mut self) {}
}
