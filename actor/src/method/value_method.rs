//! What the methods of action values share.

use std::sync::Arc;

use troop_common::experiment::Reduction;

use super::action_values::ActionValues;
use super::epsilon_greedy_behaviour::EpsilonGreedyBehaviour;
use super::loss::{Loss, mean, weight};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::objective::Objective;
use super::setting::Setting;
use crate::nn::Outputs;

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

/// `(y_t − Q(s_t, a_t; θ))²` of targets `[B]`, for the actions taken in states that the network made `outputs` of.
pub(super) fn squared_errors(
    y_t: &[f32],
    values: &ActionValues,
    outputs: &Outputs,
    actions: &[i64],
    reduction: Reduction,
) -> Loss {
    let q_taken = values.taken(outputs, actions);
    let share = weight(reduction, y_t.len());
    let errors = errors(y_t, &q_taken);
    let of_taken: Vec<f64> = errors.iter().map(|error| -2.0 * share * error).collect();
    let total = share * errors.iter().map(|error| error * error).sum::<f64>();
    let gradients = values.gradients(actions, &of_taken);
    Loss::new(total, gradients, terms(&errors, &q_taken))
}

/// `y_t − Q(s_t, a_t; θ)`, `[B]`.
pub(super) fn errors(y_t: &[f32], q_taken: &[f32]) -> Vec<f64> {
    let pairs = y_t.iter().zip(q_taken);
    pairs.map(|(y, q)| f64::from(*y) - f64::from(*q)).collect()
}

/// Parts for people to look at.
pub(super) fn terms(errors: &[f64], q_taken: &[f32]) -> Vec<(&'static str, f64)> {
    vec![
        ("value", mean(errors.iter().map(|error| error * error))),
        ("q", mean(q_taken.iter().map(|q| f64::from(*q)))),
    ]
}
