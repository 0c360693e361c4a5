//! Methods: what turns a segment into a gradient.
//!
//! Axis letters: `T` time, `E` environments, `B = T·E` rows of a segment, `A` actions, `D` dimensions.

mod a3c;
mod acer;
mod action_values;
mod dqn;
mod exploration;
mod n_step_q;
mod one_step_q;
mod one_step_sarsa;
mod outliers;
mod policy;
mod retrace;
mod returns;
#[cfg(test)]
mod testing;
mod traces;
mod trust_region;
#[cfg(test)]
mod value_tests;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{Experiment, MethodSettings, Reduction};
use troop_common::spaces::Spaces;
use troop_common::with_methods;

use crate::environment::Actions;
use crate::model::{ModelError, Network, Parameters};
use crate::replay::available_memory::ReplayDemand;
use crate::segment::{Observed, Segment};

pub use a3c::A3c;
pub use acer::Acer;
pub use action_values::{ActionValues, EpsilonGreedyActor, SegmentValues};
pub use dqn::Dqn;
pub use exploration::EpsilonGreedy;
pub use n_step_q::NStepQ;
pub use one_step_q::OneStepQ;
pub use one_step_sarsa::OneStepSarsa;
pub use policy::{Likelihood, Policy};
pub use returns::{advantages, n_step_returns, one_step_returns};

/// How actions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
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

/// What a method chose for one step of `E` environments.
#[derive(Debug)]
pub struct Decision {
    /// One action for each environment.
    pub actions: Actions,
    /// Statistics of the distributions that they were drawn from, `[E, P]`; empty where the method
    /// does not learn from them.
    pub behaviour: Vec<f32>,
    /// Recurrent state after the step, `[E, S]`.
    pub memory: Tensor,
}

/// A scalar to descend, and its parts for people to look at.
#[derive(Debug)]
pub struct Loss {
    /// What the gradient is of, scalar.
    pub total: Tensor,
    /// Named parts, each a scalar mean over the segment.
    pub terms: Vec<(&'static str, Tensor)>,
}

/// A method and its network; parameters are passed in.
///
/// A worker loads weights ([`weights_loaded`](Self::weights_loaded)), acts a segment with them
/// ([`act`](Self::act)), hands it over ([`receive`](Self::receive)), and computes as many gradients
/// as the method then asks for ([`loss`](Self::loss)), each but the first with the newest weights.
pub trait Method: Send {
    /// The network that it trains.
    fn network(&self) -> &Network;

    /// Steps of each environment in a segment, `T`.
    fn t_max(&self) -> usize;

    /// Whether it needs the target network `θ⁻`.
    fn needs_target(&self) -> bool {
        false
    }

    /// What it wants to remember, where it has a replay: checked before a worker begins.
    fn replay_demand(&self) -> Option<ReplayDemand> {
        None
    }

    /// Other weights were loaded: `updates` newer than the last ones, none where those were of
    /// another life of the run, or where there were none.
    fn weights_loaded(&mut self, _online: &Parameters, _updates: Option<u64>) {}

    /// One action for each environment, from what it shows now and its recurrent state `[E, S]`.
    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision;

    /// The environments were reset: what was begun or planned in them is void, and so is the
    /// segment at hand.
    fn interrupted(&mut self) {}

    /// Takes in a whole segment, and says how many gradients follow it.
    fn receive(&mut self, _online: &Parameters, _segment: &Segment) -> usize {
        1
    }

    /// The loss behind gradient number `index` since `segment` was received, as a function of
    /// `online`. `target` is `θ⁻`, where there is one. None where the method would rather not learn
    /// from it; nothing is sent then.
    fn loss(
        &mut self,
        online: &Parameters,
        target: Option<&Parameters>,
        segment: &Segment,
        index: usize,
    ) -> Option<Loss>;
}

/// Why a method cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// Its network cannot be made.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It cannot take these actions.
    #[error(
        "method `{method}` needs discrete actions; the environment takes {found}: use method `a3c`"
    )]
    NeedsDiscreteActions {
        /// The method.
        method: &'static str,
        /// What the environment takes.
        found: String,
    },
    /// It takes one choice or real numbers, and not several choices at once.
    #[error(
        "method `{method}` needs one discrete choice or real numbers; the environment takes {found}: use method `a3c`"
    )]
    SeveralChoices {
        /// The method.
        method: &'static str,
        /// What the environment takes.
        found: String,
    },
}

/// What a method is made for.
#[derive(Debug)]
pub struct Setting<'a> {
    /// The whole experiment.
    pub experiment: &'a Experiment,
    /// What the environments show and accept.
    pub spaces: &'a Spaces,
    /// The worker's place among those of the run, from 0.
    pub worker_index: usize,
    /// Draws everything that the method draws.
    pub rng: ChaCha8Rng,
}

/// The method that the experiment names.
///
/// # Errors
/// Where the method or the model cannot take the spaces.
pub fn make(setting: Setting<'_>) -> Result<Box<dyn Method>, MethodError> {
    macro_rules! make {
        ($($(#[$doc:meta])* $method:ident($settings:ident) = $name:literal,)*) => {
            match &setting.experiment.method {
                $(MethodSettings::$method(settings) => Box::new($method::new(settings, setting)?),)*
            }
        };
    }
    Ok(with_methods!(make))
}

/// Per-row losses `[B]` as one.
fn reduce(losses: &Tensor, reduction: Reduction) -> Tensor {
    match reduction {
        Reduction::Sum => losses.sum(None::<Kind>),
        Reduction::Mean => losses.mean(None::<Kind>),
    }
}

/// Numbers from the returns as a constant of the loss, `[B]`.
fn constant(values: &[f32], kind: Kind) -> Tensor {
    Tensor::from_slice(values).to_kind(kind)
}
