//! Experience that is too old is dropped when it is to be drawn, and counted.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

mod support;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use support::{FREE, segment, settings};
use troop_replay::{InitialPriority, ItemKind, Replay, ReplaySettings, TableKind};

const UNROLLS: ItemKind = ItemKind::Unrolls { env_steps: 5 };

fn aged(items: ItemKind, table: TableKind) -> ReplaySettings {
    ReplaySettings {
        max_age_versions: 3,
        ..settings(items, table)
    }
}

fn tables() -> Vec<(ItemKind, TableKind)> {
    let transitions = ItemKind::Transitions {
        n_step: 1,
        discount: 1.0,
    };
    let prioritized = TableKind::Prioritized {
        exponent: 0.6,
        epsilon: 1e-6,
        initial: InitialPriority::Largest,
        pace: FREE,
    };
    let uniform = TableKind::Uniform { pace: FREE };
    let mut all = Vec::new();
    for items in [transitions, UNROLLS] {
        all.extend([uniform, prioritized].map(|table| (items, table)));
    }
    all.push((UNROLLS, TableKind::Fifo { queue_items: 40 }));
    all
}

/// Versions 0 to 9 by turns of two writers, the second of which is five versions behind.
fn fill(replay: &Replay) {
    let writers = [replay.join(1).unwrap(), replay.join(1).unwrap()];
    for version in 0..10_u64 {
        for (behind, writer) in [0, 5].into_iter().zip(writers) {
            let mut segment = segment(5 * version as usize, 5);
            segment.version = version.saturating_sub(behind);
            replay.append(writer, version + 1, &segment).unwrap();
        }
    }
}

#[test]
fn what_is_too_old_is_never_drawn_and_the_rest_is() {
    for (items, table) in tables() {
        let replay = Replay::new(aged(items, table)).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        fill(&replay);
        replay.tell_version(9);
        let held = replay.counts().items_held;
        let mut seen = Vec::new();
        while let Some(drawn) = replay.draw(1, 0.0, &mut rng).unwrap() {
            seen.extend(drawn.versions);
            if seen.len() == 300 {
                break;
            }
        }
        // Each version from 6 on, and nothing of the second writer's, which ends with 4.
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, [6, 7, 8, 9], "{items:?} {table:?}");
        let counts = replay.counts();
        assert!(counts.items_too_old >= 16, "{items:?}: {counts:?}");
        let drawn_once = match table {
            TableKind::Fifo { .. } => counts.items_drawn,
            _ => 0,
        };
        assert_eq!(held, counts.items_held + counts.items_too_old + drawn_once);
        assert_eq!(counts.items_evicted_undrawn + counts.items_evicted_drawn, 0);
    }
}

#[test]
fn if_all_is_too_old_nothing_is_drawn_and_what_comes_is() {
    for (items, table) in tables() {
        let replay = Replay::new(aged(items, table)).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        fill(&replay);
        replay.tell_version(100);
        assert!(replay.draw(2, 0.0, &mut rng).unwrap().is_none());
        assert_eq!(replay.counts().items_held, 0, "{items:?} {table:?}");
        // Nobody waits for what is gone.
        let writer = replay.join(2).unwrap();
        for sequence in 1..=40 {
            assert!(replay.reserve(writer, 2).unwrap(), "{items:?} {table:?}");
            let mut segment = two(sequence as usize);
            segment.version = 99;
            replay.append(writer, sequence, &segment).unwrap();
            if replay.draw(2, 0.0, &mut rng).unwrap().is_some() {
                break;
            }
            assert!(sequence < 40, "{items:?} {table:?}");
        }
    }
}

/// A step of two environments.
fn two(number: usize) -> troop_common::experience::Segment {
    let mut segment = segment(number, 1);
    let again = segment.clone();
    segment.environments = 2;
    segment.rewards.extend(&again.rewards);
    segment.ends.extend(&again.ends);
    segment.actions.extend(&again.actions);
    for (to, from) in [
        (&mut segment.observations, &again.observations),
        (
            &mut segment.bootstrap_observations,
            &again.bootstrap_observations,
        ),
    ] {
        to.extend(from.values(), None);
    }
    segment.initial_state = troop_common::experience::RecurrentState::new(2, 0);
    segment
}

#[test]
fn without_a_limit_nothing_is_too_old() {
    for (items, table) in tables() {
        let replay = Replay::new(settings(items, table)).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        fill(&replay);
        replay.tell_version(u64::MAX);
        assert!(replay.draw(2, 0.0, &mut rng).unwrap().is_some());
        assert_eq!(replay.counts().items_too_old, 0);
    }
}
