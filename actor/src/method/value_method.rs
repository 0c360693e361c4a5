//! What the methods of action values share.

use std::sync::Arc;

use troop_common::experience::Actions;
use troop_common::experiment::{OneStepSettings, Reduction};

use super::action_values::{ActionValues, discrete};
use super::batch::Batch;
use super::epsilon_greedy_behaviour::EpsilonGreedyBehaviour;
use super::loss::{Loss, mean, weight};
use super::method_error::MethodError;
use super::method_parts::MethodParts;
use super::networks::Networks;
use super::objective::Objective;
use super::objective_error::ObjectiveError;
use super::returns::one_step_returns;
use super::setting::Setting;
use crate::nn::{Input, Outputs};

/// A method that acts ε-greedily by the action values that `objective` learns.
///
/// # Errors
/// If actions are not discrete or the model cannot take the observations.
pub(super) fn of_action_values<O: Objective + 'static>(
    setting: &mut Setting<'_>,
    objective: impl FnOnce(Arc<ActionValues>) -> O,
) -> Result<MethodParts, MethodError> {
    of_told_values(setting, false, objective)
}

/// The same; `tells_values` says whether each decision tells its values, see
/// [`EpsilonGreedyBehaviour::telling_values`].
///
/// # Errors
/// As there.
pub(super) fn of_told_values<O: Objective + 'static>(
    setting: &mut Setting<'_>,
    tells_values: bool,
    objective: impl FnOnce(Arc<ActionValues>) -> O,
) -> Result<MethodParts, MethodError> {
    let values = Arc::new(ActionValues::new(setting)?);
    let behaviour = EpsilonGreedyBehaviour::new(Arc::clone(&values), setting);
    let behaviour = behaviour.telling_values(tells_values);
    let network = Arc::clone(values.network());
    let objective = objective(values);
    Ok(MethodParts::on_policy(
        setting, network, behaviour, objective,
    ))
}

/// The loss of a one-step method: `y_t = r_t + γ V(s_{t+1})`, with V by the target network. `v` says what it is of what
/// the network made of states, their masks, and the actions that were or will be taken there.
///
/// # Errors
/// If there is no target network, or the batch is no segment.
pub(super) fn one_step_loss(
    values: &ActionValues,
    settings: &OneStepSettings,
    networks: Networks<'_>,
    batch: Batch<'_>,
    v: impl Fn(&Outputs, &[bool], &Actions) -> Vec<f32>,
) -> Result<Loss, ObjectiveError> {
    let segment = batch.segment()?;
    let (online, target) = networks.with_target()?;
    let at = target.evaluate(&Input::segment(segment));
    let v_t = v(at, segment.observations.masks(), &segment.actions);
    let input = Input::open(segment, at.open_state());
    let open = target.evaluate(&input);
    let v_open = v(open, input.observations.masks(), &segment.open_actions);
    let open = segment.open_values(&v_open);
    let y_t = one_step_returns(
        &segment.rewards,
        &v_t,
        &segment.ends,
        &open,
        settings.discount,
    );
    online.forward(&Input::segment(segment));
    let (outputs, actions) = (online.outputs(), discrete(&segment.actions));
    Ok(squared_errors(
        &y_t,
        values,
        outputs,
        actions,
        settings.reduction,
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
