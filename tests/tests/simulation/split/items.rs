//! What must be true of each item that is drawn: it is of steps that one environment took one after the other in one life of a
//! worker, as they were taken.

use troop_common::experience::{Actions, End, ObservationBuffer, Observations, Transitions};
use troop_replay::{Drawn, DrawnItems, ItemKind, Stretches};

use super::experience::{Experience, Step};

/// Numbers of an observation.
const NUMBERS: usize = 4;

/// Checks all items of a draw.
pub(super) fn check(
    drawn: &Drawn,
    kind: ItemKind,
    experience: &mut Experience,
) -> Result<(), String> {
    match (&drawn.items, kind) {
        (DrawnItems::Transitions(items), ItemKind::Transitions { n_step, discount }) => {
            check_transitions(items, (n_step, discount), experience)
        }
        (DrawnItems::Stretches(items), ItemKind::Unrolls { .. }) => {
            check_stretches(items, experience, true)
        }
        (DrawnItems::Stretches(items), ItemKind::Sequences { .. }) => {
            check_stretches(items, experience, false)
        }
        (items, _) => Err(format!("{items:?} came; expected {kind:?}")),
    }
}

/// The steps before which a row of observations is shown.
fn steps(observations: &ObservationBuffer) -> Vec<Step> {
    let Observations::F32(numbers) = observations.values() else {
        return Vec::new();
    };
    numbers.chunks(NUMBERS).map(Step::of).collect()
}

fn check_transitions(
    items: &Transitions,
    (n_step, discount): (usize, f32),
    experience: &Experience,
) -> Result<(), String> {
    let (first, behind) = (steps(&items.observations), steps(&items.next_observations));
    for item in 0..items.len() {
        let found = (items.rewards[item], items.discounts[item]);
        let step = first[item];
        let expected = transition(step, (n_step, discount), experience)?;
        let is_known = expected.iter().any(|(reward, weight, next)| {
            // If the episode terminated what stands behind it counts for nothing.
            (*reward, *weight) == found && (*weight == 0.0 || *next == behind[item])
        });
        if !is_known || items.actions[item] != step.action() {
            let (action, next) = (items.actions[item], behind[item]);
            return Err(format!(
                "a transition from {step:?} by {action} to {next:?} with {found:?}; expected one of {expected:?}"
            ));
        }
    }
    Ok(())
}

/// What a transition from `step` may be: reward, discount, and what stands behind it.
fn transition(
    step: Step,
    (n_step, discount): (usize, f32),
    experience: &Experience,
) -> Result<Vec<(f32, f32, Step)>, String> {
    let (mut now, mut reward, mut weight) = (step, 0.0, 1.0);
    for taken in 1..=n_step {
        let end = match experience.end_of(now) {
            Ok(end) => end,
            Err(why) if taken == 1 => return Err(why),
            // It is cut off here, and no transition goes on from there.
            Err(_) => return Ok(Vec::new()),
        };
        reward += weight * now.reward();
        weight *= discount;
        match end {
            End::Continues | End::LifeLost if taken < n_step => now = now.next(),
            End::Terminated => return Ok(vec![(reward, 0.0, now.next())]),
            _ => return Ok(vec![(reward, weight, now.next())]),
        }
    }
    Ok(Vec::new())
}

fn check_stretches(
    items: &Stretches,
    experience: &mut Experience,
    are_unrolls: bool,
) -> Result<(), String> {
    let rows = steps(&items.segment.observations);
    let stretches = items.len();
    for item in 0..stretches {
        let of_item = rows.iter().copied().skip(item).step_by(stretches);
        let of_item: Vec<Step> = of_item.collect();
        check_stretch(items, item, &of_item, experience).and_then(|crosses_an_end| {
            match crosses_an_end && !are_unrolls {
                true => Err("a sequence goes on behind the end of an episode".into()),
                false => Ok(()),
            }
        })?;
        let length = items.lengths[item];
        if are_unrolls {
            let mut steps = of_item[..length].iter();
            steps.try_for_each(|step| experience.learn_once(*step))?;
        }
    }
    check_final_observations(items, &rows)
}

/// Checks the rows of one stretch; whether an episode ends inside.
fn check_stretch(
    items: &Stretches,
    item: usize,
    rows: &[Step],
    experience: &Experience,
) -> Result<bool, String> {
    let (segment, length) = (&items.segment, items.lengths[item]);
    let Actions::Discrete(actions) = &segment.actions else {
        return Err("actions of another kind".into());
    };
    let mut crosses_an_end = false;
    for (t, step) in rows.iter().copied().enumerate() {
        let row = t * items.len() + item;
        let (reward, end) = (segment.rewards[row], segment.ends[row]);
        if t >= length {
            if (reward, end) != (0.0, End::Terminated) {
                return Err(format!("padding has reward {reward} and ends {end:?}"));
            }
            continue;
        }
        let truth = experience.end_of(step)?;
        let is_last = t + 1 == length;
        // What an interruption cuts off counts as truncated.
        let cut_off = is_last && truth == End::Continues && end == End::Truncated;
        if end != truth && !cut_off {
            return Err(format!("{step:?} ended {end:?}; expected {truth:?}"));
        }
        if (actions[row], reward) != (step.action(), step.reward()) {
            let action = actions[row];
            return Err(format!("{step:?} with action {action}, reward {reward}"));
        }
        let expected = match truth {
            End::Continues | End::LifeLost => step.next(),
            End::Terminated | End::Truncated => step.after_its_end(),
        };
        if !is_last && rows[t + 1] != expected {
            let found = rows[t + 1];
            return Err(format!("{found:?} follows {step:?}; expected {expected:?}"));
        }
        crosses_an_end |= !is_last && truth != End::Continues;
    }
    Ok(crosses_an_end)
}

/// Behind each truncated episode stands what was shown last.
fn check_final_observations(items: &Stretches, rows: &[Step]) -> Result<(), String> {
    let found = steps(&items.segment.truncated_observations);
    let ends = items.segment.ends.iter().zip(rows);
    let truncated = ends.filter(|(end, _)| **end == End::Truncated);
    let expected: Vec<Step> = truncated.map(|(_, step)| step.next()).collect();
    match found == expected {
        true => Ok(()),
        false => Err(format!(
            "{found:?} stand behind truncated episodes; expected {expected:?}"
        )),
    }
}
