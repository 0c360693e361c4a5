//! How large what a replay holds may be.

use crate::sequences::StretchShape;
use crate::settings::{ItemKind, ReplayRefused, ReplaySettings, TableKind};
use crate::store::Masks;
use crate::tables::Way;
use crate::transitions::{TransitionReplay, TransitionShape};

/// One of the two.
pub(crate) enum Layout {
    Transitions(TransitionShape),
    Stretches(StretchShape),
}

/// How a replay with so many frames is laid out.
pub(crate) fn layout(settings: &ReplaySettings, capacity: usize) -> Layout {
    let stretches = |len, stride, crosses_episodes, burn_in| {
        Layout::Stretches(StretchShape {
            spaces: settings.spaces.clone(),
            stack: settings.stack,
            environments: settings.most_environments,
            capacity,
            len,
            stride,
            crosses_episodes,
            burn_in,
            behaviour_len: settings.behaviour_len,
            state_len: settings.state_len,
        })
    };
    match settings.items {
        ItemKind::Transitions { n_step, discount } => Layout::Transitions(TransitionShape {
            capacity,
            stack: settings.stack,
            environments: settings.most_environments,
            n_step,
            discount,
            priority_exponent: 0.0,
            priority_epsilon: 0.0,
        }),
        ItemKind::Unrolls { env_steps } => stretches(env_steps, env_steps, true, 0),
        ItemKind::Sequences {
            env_steps,
            overlap,
            burn_in,
        } => stretches(env_steps, env_steps - overlap, false, burn_in),
    }
}

/// How `items` items are drawn.
pub(crate) fn way(table: &TableKind, items: usize) -> Way {
    match *table {
        TableKind::Fifo { .. } => Way::fifo(items),
        TableKind::Uniform { .. } => Way::Uniform,
        TableKind::Prioritized {
            exponent, epsilon, ..
        } => Way::sampled(items, exponent, epsilon),
    }
}

/// Bytes of a replay with so many frames when it is full.
fn bytes(settings: &ReplaySettings, capacity: usize) -> u64 {
    // What a way takes does not depend on how many items it was made for.
    let way = way(&settings.table, 0);
    match layout(settings, capacity) {
        Layout::Transitions(shape) => {
            let choices = settings.spaces.action.choices();
            TransitionReplay::full_bytes(&settings.spaces.observation, &shape, &way)
                + Masks::bytes(choices, capacity)
        }
        Layout::Stretches(shape) => shape.bytes(&way),
    }
}

/// Frames that a replay can keep.
///
/// # Errors
/// If they are too few.
pub(crate) fn capacity(settings: &ReplaySettings) -> Result<usize, ReplayRefused> {
    let environments = settings.most_environments;
    let span = settings.items.span().max(settings.stack);
    let least = 2 * (environments * span + settings.most_env_steps_per_append);
    let needed = bytes(settings, least);
    if needed > settings.bytes {
        return Err(ReplayRefused::TooSmall {
            bytes: settings.bytes,
            environments,
            needed,
        });
    }
    let (mut fits, mut too_many) = (least, u32::MAX as usize);
    while too_many - fits > 1 {
        let middle = fits + (too_many - fits) / 2;
        match bytes(settings, middle) <= settings.bytes {
            true => fits = middle,
            false => too_many = middle,
        }
    }
    check_fits(settings, fits)?;
    Ok(fits)
}

/// What has to be there at a time fits.
fn check_fits(settings: &ReplaySettings, capacity: usize) -> Result<(), ReplayRefused> {
    let (what, env_steps) = match settings.table {
        TableKind::Fifo { queue_items } => {
            let steps = queue_items * settings.items.env_steps();
            ("the fifo's queue", steps as u64)
        }
        TableKind::Uniform { pace } | TableKind::Prioritized { pace, .. } => {
            ("start_env_steps", pace.start_env_steps)
        }
    };
    if env_steps <= capacity as u64 {
        return Ok(());
    }
    Err(ReplayRefused::AboveCapacity {
        what,
        env_steps,
        bytes: settings.bytes,
        capacity,
        needed: bytes(settings, usize::try_from(env_steps).unwrap_or(usize::MAX)),
    })
}
