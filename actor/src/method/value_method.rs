//! What the methods of action values share.

use std::sync::Arc;

use tch::{Kind, Tensor};
use troop_common::experiment::Reduction;

use super::action_values::ActionValues;
use super::epsilon_greedy_behaviour::EpsilonGreedyBehaviour;
use super::loss::{Loss, constant, reduce};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::objective::Objective;
use super::setting::Setting;

/// A method that acts ε-greedily by the action values that `objective` learns.
///
/// # Errors
/// If actions are not discrete or the model cannot take the observations.
pub(super) fn of_action_values<O: Objective + 'static>(
    setting: &mut Setting<'_>,
    objective: impl FnOnce(Arc<ActionValues>) -> O,
) -> Result<MethodParts, MethodError> {
    let values = Arc::new(ActionValues::new(setting)?);
    let behaviour = EpsilonGreedyBehaviour::new(Arc::clone(&values), setting);
    let network = Arc::clone(values.network());
    let objective = objective(values);
    Ok(MethodParts::on_policy(
        setting, network, behaviour, objective,
    ))
}

/// `(y_t − Q(s_t, a_t; θ))²` of targets and values, each `[B]`.
pub(super) fn squared_errors(y_t: &[f32], q_taken: &Tensor, reduction: Reduction) -> Loss {
    let losses = (constant(y_t, q_taken.kind()) - q_taken).square();
    let terms = vec![
        ("value", losses.detach().mean(None::<Kind>)),
        ("q", q_taken.detach().mean(None::<Kind>)),
    ];
    Loss::new(reduce(&losses, reduction), terms)
}
