//! Whether a segment is one that a replay can hold.

use std::fmt;

use troop_common::experience::{Actions, End, ObservationBuffer, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType};

use crate::settings::ReplaySettings;

/// A segment that does not fit what the replay is made for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} of a segment: expected {expected}, found {found}")]
pub struct SegmentRefused {
    /// Which part of it.
    pub what: &'static str,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

/// Checks a segment of a writer with `environments` environments. Masks come with all observations, or with none:
/// `masks` says which, once that is known.
///
/// # Errors
/// The first thing that does not fit.
pub(crate) fn check(
    segment: &Segment,
    environments: usize,
    masks: Option<bool>,
    settings: &ReplaySettings,
) -> Result<(), SegmentRefused> {
    let found = segment.environments;
    require(found == environments, "environments", &environments, &found)?;
    check_len(segment, settings)?;
    check_observations(segment, masks, settings)?;
    check_actions(segment, &settings.spaces.action)?;
    check_numbers(segment, settings)
}

fn check_len(segment: &Segment, settings: &ReplaySettings) -> Result<(), SegmentRefused> {
    let (len, environments) = (segment.len(), segment.environments);
    let whole = len > 0 && len.is_multiple_of(environments);
    let expected = format!("a multiple of {environments} above 0");
    require(whole, "env steps", &expected, &len)?;
    let most = settings.most_env_steps_per_append;
    require(len <= most, "env steps", &format!("at most {most}"), &len)?;
    require(segment.ends.len() == len, "ends", &len, &segment.ends.len())
}

fn check_observations(
    segment: &Segment,
    masks: Option<bool>,
    settings: &ReplaySettings,
) -> Result<(), SegmentRefused> {
    let ends = segment.ends.iter();
    let truncated = ends.filter(|end| **end == End::Truncated).count();
    let masks = masks.unwrap_or(!segment.observations.masks().is_empty());
    let buffers = [
        ("observations", &segment.observations, segment.len()),
        (
            "bootstrap observations",
            &segment.bootstrap_observations,
            segment.environments,
        ),
        (
            "final observations",
            &segment.truncated_observations,
            truncated,
        ),
    ];
    for (what, buffer, count) in buffers {
        check_buffer(what, buffer, count, masks, settings)?;
    }
    Ok(())
}

fn check_buffer(
    what: &'static str,
    buffer: &ObservationBuffer,
    count: usize,
    masks: bool,
    settings: &ReplaySettings,
) -> Result<(), SegmentRefused> {
    let space = &settings.spaces.observation;
    let (elements, element) = match buffer.values() {
        Observations::F32(all) => (all.len(), ElementType::F32),
        Observations::U8(all) => (all.len(), ElementType::U8),
    };
    let text = |shape: &[usize], element| format!("{shape:?} of {element:?}");
    let fits = buffer.shape() == space.shape && element == space.element;
    let found = text(buffer.shape(), element);
    require(fits, what, &text(&space.shape, space.element), &found)?;
    let expected = format!("{count} of {} elements", space.len());
    let found = format!("{elements} elements");
    require(elements == count * space.len(), what, &expected, &found)?;
    let choices = match masks {
        true => count * settings.spaces.action.choices(),
        false => 0,
    };
    let found = buffer.masks().len();
    require(found == choices, "masks of observations", &choices, &found)
}

fn check_actions(segment: &Segment, space: &ActionSpace) -> Result<(), SegmentRefused> {
    let steps = segment.len();
    let (fits, found) = match (&segment.actions, space) {
        (Actions::Discrete(all), ActionSpace::Discrete { n }) => {
            let within = all.iter().all(|a| (0..*n as i64).contains(a));
            (all.len() == steps && within, all.len())
        }
        (Actions::MultiDiscrete(all), ActionSpace::MultiDiscrete { n }) => {
            let mut each = all.iter().zip(n.iter().cycle());
            let within = each.all(|(a, n)| (0..*n as i64).contains(a));
            (all.len() == steps * n.len() && within, all.len())
        }
        (Actions::Continuous(all), ActionSpace::Box { low, .. }) => {
            let finite = all.iter().all(|a| a.is_finite());
            (all.len() == steps * low.len() && finite, all.len())
        }
        (Actions::Discrete(all) | Actions::MultiDiscrete(all), _) => (false, all.len()),
        (Actions::Continuous(all), _) => (false, all.len()),
    };
    let expected = format!("one of {space:?} for each of {steps} steps");
    let found = format!("{found} numbers, or some that are no such action");
    require(fits, "actions", &expected, &found)
}

fn check_numbers(segment: &Segment, settings: &ReplaySettings) -> Result<(), SegmentRefused> {
    let (steps, environments) = (segment.len(), segment.environments);
    let broken = segment.rewards.iter().position(|r| !r.is_finite());
    let found = broken.map(|i| format!("{} in row {i}", segment.rewards[i]));
    let found = found.unwrap_or_default();
    require(broken.is_none(), "rewards", &"finite numbers", &found)?;
    let (expected, found) = (steps * settings.behaviour_len, segment.behaviour.len());
    require(expected == found, "behaviour", &expected, &found)?;
    let len = settings.state_len;
    if len == 0 {
        return Ok(());
    }
    let (expected, found) = (environments * len, segment.initial_state.values().len());
    require(expected == found, "initial state", &expected, &found)?;
    let (expected, found) = (steps * len, segment.states.len());
    let fits = found == 0 || found == expected;
    require(fits, "recurrent states", &expected, &found)
}

/// Refuses what does not fit.
pub(crate) fn require(
    fits: bool,
    what: &'static str,
    expected: &dyn fmt::Display,
    found: &dyn fmt::Display,
) -> Result<(), SegmentRefused> {
    if fits {
        return Ok(());
    }
    Err(SegmentRefused {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    })
}
