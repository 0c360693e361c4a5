//! What settings of a replay may say if they come from a peer.

use troop_common::spaces::ActionSpace;

use crate::settings::{ItemKind, ReplayRefused, ReplaySettings, TableKind, require};

/// Bytes of the largest segment, and of the largest draw, once they are decoded.
const LARGEST_PORTION: u64 = 256 << 20;

/// Of anything that is counted.
const MOST: usize = 1 << 20;

/// Whether settings are such that nothing that follows from them is out of proportion to `bytes`, the limit of the run.
///
/// # Errors
/// The first that is not.
pub(super) fn check(settings: &ReplaySettings, bytes: u64) -> Result<(), ReplayRefused> {
    let found = settings.bytes;
    let expected = format!("the run's `topology.replay_bytes`, {bytes}");
    require(found == bytes, "bytes", &expected, &found)?;
    check_spaces(settings)?;
    let counts = [
        ("stack", settings.stack),
        ("behaviour_len", settings.behaviour_len),
        ("state_len", settings.state_len),
        ("most_environments", settings.most_environments),
        (
            "most_environments_per_writer",
            settings.most_environments_per_writer,
        ),
        (
            "most_env_steps_per_append",
            settings.most_env_steps_per_append,
        ),
        ("most_items_per_draw", settings.most_items_per_draw),
        ("item env_steps", item_len(settings)),
        ("queue_items", queue(settings)),
    ];
    for (what, found) in counts {
        require(found <= MOST, what, &format!("at most {MOST}"), &found)?;
    }
    check_portions(settings)
}

fn check_spaces(settings: &ReplaySettings) -> Result<(), ReplayRefused> {
    let shape = &settings.spaces.observation.shape;
    let elements = shape
        .iter()
        .try_fold(1_usize, |all, axis| all.checked_mul(*axis));
    let fits = elements.is_some_and(|it| (1..=LARGEST_PORTION as usize / 8).contains(&it));
    let expected = "from 1 element to some million";
    let found = format!("of {} axes, {elements:?} elements", shape.len());
    require(fits && shape.len() <= 8, "observation", &expected, &found)?;
    let (numbers, fits) = match &settings.spaces.action {
        ActionSpace::Discrete { n } => (*n, true),
        ActionSpace::MultiDiscrete { n } => {
            let sum = n.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
            (sum, n.iter().all(|n| *n >= 1))
        }
        ActionSpace::Box { low, high } => (low.len(), low.len() == high.len()),
    };
    let fits = fits && (1..=MOST).contains(&numbers);
    let expected = format!("from 1 to {MOST} choices or numbers");
    require(fits, "action", &expected, &numbers)
}

/// Steps of an item.
fn item_len(settings: &ReplaySettings) -> usize {
    match settings.items {
        ItemKind::Transitions { n_step, .. } => n_step,
        ItemKind::Unrolls { env_steps } | ItemKind::Sequences { env_steps, .. } => env_steps,
    }
}

fn queue(settings: &ReplaySettings) -> usize {
    match settings.table {
        TableKind::Fifo { queue_items } => queue_items,
        TableKind::Uniform { .. } | TableKind::Prioritized { .. } => 0,
    }
}

/// Bytes of the largest segment and of so many items, decoded or encoded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portions {
    pub(super) append: u64,
    item: u64,
}

impl Portions {
    /// A step comes with its observation, at most one more where an episode ends, action, behaviour, states.
    pub(super) fn of(settings: &ReplaySettings) -> Self {
        let step = step_bytes(settings);
        let steps = match settings.items {
            ItemKind::Transitions { .. } => 2,
            ItemKind::Unrolls { env_steps } | ItemKind::Sequences { env_steps, .. } => {
                env_steps as u64 + 1
            }
        };
        let append = settings
            .most_env_steps_per_append
            .saturating_add(settings.most_environments_per_writer);
        Self {
            append: (append as u64).saturating_mul(step).saturating_add(1_024),
            item: steps.saturating_mul(step),
        }
    }

    pub(super) fn draw(&self, items: usize) -> u64 {
        (items as u64)
            .saturating_mul(self.item)
            .saturating_add(1_024)
    }
}

fn check_portions(settings: &ReplaySettings) -> Result<(), ReplayRefused> {
    let portions = Portions::of(settings);
    let draw = portions.draw(settings.most_items_per_draw);
    let found = [
        ("most_env_steps_per_append", portions.append),
        ("most_items_per_draw", draw),
    ];
    for (what, found) in found {
        let expected = format!("so much that it has at most {LARGEST_PORTION} bytes");
        require(found <= LARGEST_PORTION, what, &expected, &found)?;
    }
    Ok(())
}

fn step_bytes(settings: &ReplaySettings) -> u64 {
    let actions = match &settings.spaces.action {
        ActionSpace::Discrete { .. } => 1,
        ActionSpace::MultiDiscrete { n } => n.len(),
        ActionSpace::Box { low, .. } => low.len(),
    };
    let numbers = settings.behaviour_len + settings.state_len + 2 * actions;
    let frames = 4 * settings.stack + settings.spaces.action.choices();
    let observation = settings.observation_bytes() as u64 + frames as u64;
    2 * observation + 4 * numbers as u64 + 32
}

#[cfg(test)]
mod tests {
    use troop_common::spaces::{ElementType, ObservationSpace, Spaces};

    use super::*;
    use crate::replay::Replay;
    use crate::settings::Pace;

    const BYTES: u64 = 1_000_000;

    fn settings() -> ReplaySettings {
        ReplaySettings {
            spaces: Spaces {
                observation: ObservationSpace {
                    shape: vec![2, 2],
                    element: ElementType::F32,
                },
                action: ActionSpace::Discrete { n: 2 },
            },
            stack: 2,
            behaviour_len: 1,
            state_len: 1,
            most_environments: 2,
            most_environments_per_writer: 1,
            most_env_steps_per_append: 4,
            most_items_per_draw: 4,
            bytes: BYTES,
            max_age_versions: 0,
            items: ItemKind::Unrolls { env_steps: 4 },
            table: TableKind::Uniform {
                pace: Pace {
                    start_env_steps: 0,
                    samples_per_insert: None,
                },
            },
        }
    }

    type Put = fn(&mut ReplaySettings, usize);

    const PUTS: [Put; 14] = [
        |it, n| it.spaces.observation.shape = vec![n],
        |it, n| it.spaces.observation.shape = vec![n; 2],
        |it, n| it.spaces.observation.shape = vec![1; n.min(1_000)],
        |it, n| it.spaces.action = ActionSpace::Discrete { n },
        |it, n| it.spaces.action = ActionSpace::MultiDiscrete { n: vec![n; 3] },
        |it, n| it.stack = n,
        |it, n| it.behaviour_len = n,
        |it, n| it.state_len = n,
        |it, n| it.most_environments = n,
        |it, n| it.most_environments_per_writer = n,
        |it, n| it.most_env_steps_per_append = n,
        |it, n| it.most_items_per_draw = n,
        |it, n| it.items = ItemKind::Unrolls { env_steps: n },
        |it, n| it.table = TableKind::Fifo { queue_items: n },
    ];

    #[test]
    fn whatever_a_peer_says_there_is_a_small_replay_or_none() {
        let numbers = [0, 1, 2, 3, 255, 65_536, MOST, MOST + 1, 1 << 31, 1 << 32];
        let numbers = numbers.into_iter().chain([1 << 62, usize::MAX]);
        let mut made = 0;
        for number in numbers {
            for put in PUTS {
                let mut settings = settings();
                put(&mut settings, number);
                if check(&settings, BYTES).is_ok() && Replay::new(settings.clone()).is_ok() {
                    let portions = Portions::of(&settings);
                    assert!(portions.append <= LARGEST_PORTION, "{settings:?}");
                    made += 1;
                }
            }
        }
        assert!(made > 20, "{made}");
        assert!(check(&settings(), BYTES).is_ok());
        assert!(check(&settings(), BYTES + 1).is_err());
    }
}
