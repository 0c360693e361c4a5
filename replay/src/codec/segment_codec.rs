use troop_common::experience::{Actions, End, RecurrentState, Segment};
use troop_common::wire::Rope;

use super::codec_error::CodecError;
use super::frames::{self, Like};
use super::input::Input;
use super::output::Output;
use crate::replay::SegmentRefused;
use crate::replay::segment_refused;
use crate::settings::ReplaySettings;

/// Bytes of a segment at most, as the contract says.
pub(crate) const LARGEST_SEGMENT: u64 = 64 << 20;

/// Appends a segment's bytes.
///
/// # Errors
/// If it is not one that a replay of these settings holds.
pub fn encode_segment(
    segment: &Segment,
    settings: &ReplaySettings,
    bytes: &mut Vec<u8>,
) -> Result<(), SegmentRefused> {
    segment_refused::check(segment, segment.environments, None, settings)?;
    write(segment, settings, &mut Output(bytes));
    Ok(())
}

/// Reads a segment of so many environments. Whether it is one that the replay holds is another question.
///
/// # Errors
/// If these are no bytes of a segment.
pub fn decode_segment(
    bytes: Rope,
    settings: &ReplaySettings,
    environments: usize,
    segment: &mut Segment,
) -> Result<(), CodecError> {
    let mut input = Input(bytes);
    let most = settings.most_env_steps_per_append;
    read(&mut input, settings, (environments, most), segment)?;
    input.end()
}

/// Writes environments, env steps of each, version, rewards, ends, actions, behaviour, recurrent states, observations,
/// masks.
pub(super) fn write(segment: &Segment, settings: &ReplaySettings, output: &mut Output<'_>) {
    let environments = segment.environments;
    output.count(environments);
    output.count(segment.len() / environments.max(1));
    output.number(segment.version);
    output.numbers(&segment.rewards);
    output
        .0
        .extend(segment.ends.iter().map(|end| end_code(*end)));
    match &segment.actions {
        Actions::Discrete(all) | Actions::MultiDiscrete(all) => output.numbers(all),
        Actions::Continuous(all) => output.numbers(all),
    }
    output.numbers(&segment.behaviour);
    output.byte(u8::from(!segment.states.is_empty()));
    if settings.state_len > 0 {
        output.numbers(segment.initial_state.values());
        output.numbers(&segment.states);
    }
    let buffers = [
        &segment.observations,
        &segment.bootstrap_observations,
        &segment.truncated_observations,
    ];
    let truncated: Vec<usize> = truncated(&segment.ends).collect();
    let steps = segment.len();
    let likes = |buffer, index: usize| {
        let row = match buffer {
            0 => index.checked_sub(environments),
            1 => (steps + index).checked_sub(environments),
            _ => truncated.get(index).copied(),
        };
        let like = |index| Like {
            buffer: 0,
            index,
            shift: 1,
        };
        [row.map(like), None]
    };
    frames::encode(&buffers, settings.stack, likes, output);
    frames::encode_masks(buffers.iter().map(|buffer| buffer.masks()), output);
}

/// Reads what [`write`] writes, of so many environments and at most so many env steps.
pub(super) fn read(
    input: &mut Input,
    settings: &ReplaySettings,
    (environments, most): (usize, usize),
    segment: &mut Segment,
) -> Result<(), CodecError> {
    let found = input.count()?;
    let expected = environments;
    CodecError::unless(found == expected, "environments", &expected, found as u64)?;
    let each = input.count()?;
    let steps = each.saturating_mul(environments);
    let expected = format!("at most {most} together");
    CodecError::unless(steps <= most, "env steps", &expected, steps as u64)?;
    segment.environments = environments;
    segment.restart(&RecurrentState::new(environments, 0), input.number()?);
    input.numbers_into(steps, &mut segment.rewards)?;
    read_ends(input, steps, &mut segment.ends)?;
    let components = action_components(settings);
    match &mut segment.actions {
        Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
            input.numbers_into(steps.saturating_mul(components), all)?;
        }
        Actions::Continuous(all) => input.numbers_into(steps.saturating_mul(components), all)?,
    }
    let behaviour = steps.saturating_mul(settings.behaviour_len);
    input.numbers_into(behaviour, &mut segment.behaviour)?;
    read_states(input, settings.state_len, steps, segment)?;
    read_observations(input, settings, segment)
}

fn read_ends(input: &mut Input, steps: usize, ends: &mut Vec<End>) -> Result<(), CodecError> {
    for code in input.numbers::<u8>(steps)? {
        ends.push(match code {
            0 => End::Continues,
            1 => End::Terminated,
            2 => End::LifeLost,
            3 => End::Truncated,
            other => {
                return CodecError::unless(false, "an end", &"from 0 to 3", u64::from(other));
            }
        });
    }
    Ok(())
}

fn read_states(
    input: &mut Input,
    len: usize,
    steps: usize,
    segment: &mut Segment,
) -> Result<(), CodecError> {
    let environments = segment.environments;
    let each = input.flags(1)? == [true];
    if len > 0 {
        let initial = input.numbers(environments.saturating_mul(len))?;
        segment.initial_state = RecurrentState::of(environments, initial);
    }
    match each && len > 0 {
        true => input.numbers_into(steps.saturating_mul(len), &mut segment.states),
        false => Ok(()),
    }
}

fn read_observations(
    input: &mut Input,
    settings: &ReplaySettings,
    segment: &mut Segment,
) -> Result<(), CodecError> {
    let cut = truncated(&segment.ends).count();
    let (steps, environments) = (segment.len(), segment.environments);
    let mut buffers = [
        (&mut segment.observations, steps),
        (&mut segment.bootstrap_observations, environments),
        (&mut segment.truncated_observations, cut),
    ];
    let bytes = settings.observation_bytes();
    frames::decode(input, &mut buffers, settings.stack, bytes)?;
    let choices = settings.spaces.action.choices();
    frames::decode_masks(input, &mut buffers, choices)
}

/// Rows that end as truncated.
fn truncated(ends: &[End]) -> impl Iterator<Item = usize> {
    let rows = ends.iter().enumerate();
    rows.filter(|(_, end)| **end == End::Truncated)
        .map(|(row, _)| row)
}

fn end_code(end: End) -> u8 {
    match end {
        End::Continues => 0,
        End::Terminated => 1,
        End::LifeLost => 2,
        End::Truncated => 3,
    }
}

/// Numbers of an action.
fn action_components(settings: &ReplaySettings) -> usize {
    use troop_common::spaces::ActionSpace;
    match &settings.spaces.action {
        ActionSpace::Discrete { .. } => 1,
        ActionSpace::MultiDiscrete { n } => n.len(),
        ActionSpace::Box { low, .. } => low.len(),
    }
}
