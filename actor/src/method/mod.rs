//! Methods: what turns a segment into a gradient.
//!
//! Axis letters: `T` time, `E` environments, `B = T·E` rows of a segment, `A` actions, `D` dimensions.

mod a3c;
mod exploration;
mod n_step_q;
mod policy;
mod returns;
#[cfg(test)]
mod testing;

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{Experiment, MethodSettings, Reduction};
use troop_common::spaces::Spaces;

use crate::environment::Actions;
use crate::model::{ModelError, Network, Parameters};
use crate::segment::Segment;

pub use a3c::A3c;
pub use exploration::EpsilonGreedy;
pub use n_step_q::NStepQ;
pub use policy::{Likelihood, Policy};
pub use returns::{advantages, n_step_returns};

/// How actions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// To learn, at this point of the run.
    Explore {
        /// Frames that the whole run had taken when the weights were published.
        frames: u64,
    },
    /// To be evaluated: as the policy says, without extra exploration.
    Evaluate {
        /// Whether a stochastic policy takes its likeliest action instead of drawing one.
        greedy: bool,
    },
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
pub trait Method: Send {
    /// The network that it trains.
    fn network(&self) -> &Network;

    /// Steps of each environment in a segment, `T`.
    fn t_max(&self) -> usize;

    /// Whether it needs the target network `θ⁻`.
    fn needs_target(&self) -> bool;

    /// No actions yet, of the kind that it takes.
    fn no_actions(&self) -> Actions;

    /// One action for each of the observations `[E, …]`.
    fn act(
        &mut self,
        parameters: &Parameters,
        observations: &Tensor,
        behaviour: Behaviour,
    ) -> Actions;

    /// The loss of a segment, as a function of `online`. `target` is `θ⁻`, where there is one.
    fn loss(&self, online: &Parameters, target: Option<&Parameters>, segment: &Segment) -> Loss;
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
}

/// The method that `experiment` names, for these spaces. `rng` draws its actions.
///
/// # Errors
/// Where the method or the model cannot take the spaces.
pub fn make(
    experiment: &Experiment,
    spaces: &Spaces,
    rng: ChaCha8Rng,
) -> Result<Box<dyn Method>, MethodError> {
    Ok(match &experiment.method {
        MethodSettings::A3c(settings) => {
            Box::new(A3c::new(settings, &experiment.model, spaces, rng)?)
        }
        MethodSettings::NStepQ(settings) => Box::new(NStepQ::new(
            settings,
            &experiment.model,
            &experiment.exploration,
            spaces,
            rng,
        )?),
    })
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
