use troop_common::experience::{ObservationBuffer, Segment, Transitions};
use troop_common::wire::Rope;

use super::codec_error::CodecError;
use super::frames::{self, Like};
use super::input::Input;
use super::output::Output;
use super::segment_codec;
use crate::replay::{Drawn, DrawnItems, InPlace, ItemsInPlace};
use crate::sequences::Stretches;
use crate::settings::{ItemKind, ReplaySettings};
use crate::store::ObservationId;
use crate::transitions::Selection;

/// Appends the bytes of what was drawn from a replay of these settings: how many, keys, versions, weights, then what items
/// are.
pub fn encode_drawn(drawn: &Drawn, settings: &ReplaySettings, bytes: &mut Vec<u8>) {
    let output = &mut Output(bytes);
    write_head((drawn.keys(), &drawn.versions, drawn.weights()), output);
    match &drawn.items {
        DrawnItems::Transitions(transitions) => {
            write_steps(transitions, output);
            write_observations(transitions, settings, output);
        }
        DrawnItems::Stretches(stretches) => {
            let counts = stretches.lengths.iter().chain(&stretches.burn_in);
            counts.for_each(|count| output.count(*count));
            segment_codec::write(&stretches.segment, settings, output);
        }
    }
}

/// Appends bytes of the same kind, if frames are copied once only for that; else gives copies, to be encoded when the replay is
/// not held up any more.
pub fn encode_in_place(drawn: InPlace<'_>, bytes: &mut Vec<u8>) -> Option<Drawn> {
    match &drawn.items {
        ItemsInPlace::Transitions(selection) => {
            write_selection(selection, drawn.versions, &mut Output(bytes));
            None
        }
        ItemsInPlace::Stretches(_) => Some(drawn.gather()),
    }
}

fn write_selection(selection: &Selection<'_>, versions: &[u64], output: &mut Output<'_>) {
    let transitions = selection.without_observations();
    write_head((&transitions.keys, versions, &transitions.weights), output);
    write_steps(&transitions, output);
    let first = selection.observations();
    let all: Vec<ObservationId> = first.chain(selection.next_observations()).collect();
    frames::encode_stored(selection.store(), &all, output);
    let masks = selection.next_observations();
    frames::encode_masks(masks.filter_map(|id| selection.mask(id)), output);
}

/// Reads what was drawn from a replay of these settings.
///
/// # Errors
/// If these are no bytes of it.
pub fn decode_drawn(bytes: Rope, settings: &ReplaySettings) -> Result<Drawn, CodecError> {
    let input = &mut Input(bytes);
    let items = input.count()?;
    let most = settings.most_items_per_draw;
    let expected = format!("from 1 to {most}");
    CodecError::unless(
        (1..=most).contains(&items),
        "items",
        &expected,
        items as u64,
    )?;
    let keys = input.numbers(items)?;
    let versions = input.numbers(items)?;
    let weights = input.numbers(items)?;
    let items = match settings.items {
        ItemKind::Transitions { .. } => {
            let transitions = read_transitions(input, settings, keys, weights)?;
            DrawnItems::Transitions(Box::new(transitions))
        }
        ItemKind::Unrolls { env_steps } | ItemKind::Sequences { env_steps, .. } => {
            let stretches = read_stretches(input, settings, env_steps, (keys, weights))?;
            DrawnItems::Stretches(Box::new(stretches))
        }
    };
    input.end()?;
    Ok(Drawn { items, versions })
}

fn write_head((keys, versions, weights): (&[u64], &[u64], &[f32]), output: &mut Output<'_>) {
    output.count(keys.len());
    output.numbers(keys);
    output.numbers(versions);
    output.numbers(weights);
}

fn write_steps(transitions: &Transitions, output: &mut Output<'_>) {
    output.numbers(&transitions.actions);
    output.numbers(&transitions.rewards);
    output.numbers(&transitions.discounts);
}

fn write_observations(
    transitions: &Transitions,
    settings: &ReplaySettings,
    output: &mut Output<'_>,
) {
    let buffers = [&transitions.observations, &transitions.next_observations];
    let n_step = match settings.items {
        ItemKind::Transitions { n_step, .. } => n_step,
        ItemKind::Unrolls { .. } | ItemKind::Sequences { .. } => 0,
    };
    let likes = |buffer, index| {
        let like = |shift| {
            (buffer == 1).then_some(Like {
                buffer: 0,
                index,
                shift,
            })
        };
        // If the episode has terminated the first observation stands in for the next.
        [like(n_step), like(0)]
    };
    frames::encode(&buffers, settings.stack, likes, output);
    let masks = std::iter::once(transitions.next_observations.masks());
    frames::encode_masks(masks, output);
}

fn read_transitions(
    input: &mut Input,
    settings: &ReplaySettings,
    keys: Vec<u64>,
    weights: Vec<f32>,
) -> Result<Transitions, CodecError> {
    let items = keys.len();
    let actions = input.numbers(items)?;
    let rewards = input.numbers(items)?;
    let discounts = input.numbers(items)?;
    let empty = || ObservationBuffer::new(&settings.spaces.observation);
    let (mut observations, mut next_observations) = (empty(), empty());
    let bytes = settings.observation_bytes();
    let mut buffers = [(&mut observations, items), (&mut next_observations, items)];
    frames::decode(input, &mut buffers, settings.stack, bytes)?;
    let choices = settings.spaces.action.choices();
    frames::decode_masks(input, &mut buffers[1..], choices)?;
    Ok(Transitions {
        keys,
        observations,
        actions,
        rewards,
        discounts,
        next_observations,
        weights,
    })
}

fn read_stretches(
    input: &mut Input,
    settings: &ReplaySettings,
    len: usize,
    (keys, weights): (Vec<u64>, Vec<f32>),
) -> Result<Stretches, CodecError> {
    let items = keys.len();
    let mut lens = || -> Result<Vec<usize>, CodecError> {
        let lens: Vec<u32> = input.numbers(items)?;
        let fits = |found: u32| {
            let expected = format!("at most {len}");
            CodecError::unless(
                found as usize <= len,
                "a length",
                &expected,
                u64::from(found),
            )?;
            Ok(found as usize)
        };
        lens.into_iter().map(fits).collect()
    };
    let (lengths, burn_in) = (lens()?, lens()?);
    let mut segment = Segment::new(items, &settings.spaces);
    let most = len.saturating_mul(items);
    segment_codec::read(input, settings, (items, most), &mut segment)?;
    let steps = segment.len();
    CodecError::unless(steps == most, "env steps", &most, steps as u64)?;
    Ok(Stretches {
        segment,
        keys,
        weights,
        lengths,
        burn_in,
    })
}
