//! How often items are drawn.

mod support;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use support::{FREE, segment, settings};
use troop_replay::{InitialPriority, ItemKind, Replay, TableKind};

const ITEMS: usize = 40;
const EXPONENT: f64 = 0.6;
const EPSILON: f64 = 0.01;
const DRAWS: usize = 50_000;

/// Unrolls of five steps; number `i` has the TD error `i / 10`.
fn filled(table: TableKind) -> Replay {
    let items = ItemKind::Unrolls { env_steps: 5 };
    let replay = Replay::new(settings(items, table)).expect("what it is made for");
    let writer = replay.join(1).expect("a place");
    for i in 0..ITEMS {
        replay
            .append(writer, i as u64, &segment(5 * i, 5))
            .expect("a segment that fits");
    }
    let keys: Vec<u64> = (0..ITEMS as u64).collect();
    let errors: Vec<f32> = (0..ITEMS).map(|i| i as f32 / 10.0).collect();
    replay.reprioritise(&keys, &errors);
    replay
}

/// Pearson's statistic of four draws at a time against these shares of them.
fn chi_square(replay: &Replay, shares: &[f64]) -> f64 {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let mut counts: BTreeMap<u64, f64> = BTreeMap::new();
    for _ in 0..DRAWS {
        let drawn = replay
            .draw(4, 0.4, &mut rng)
            .expect("what it is made for")
            .expect("what it is made for");
        for key in drawn.keys() {
            *counts.entry(*key).or_default() += 1.0;
        }
    }
    let total: f64 = shares.iter().sum();
    let each = |(i, share): (usize, &f64)| {
        let expected = share / total * (4 * DRAWS) as f64;
        let found = counts.get(&(i as u64)).copied().unwrap_or_default();
        (found - expected).powi(2) / expected
    };
    shares.iter().enumerate().map(each).sum()
}

/// With 39 degrees of freedom 72.1 is exceeded once in a thousand times; stratified draws scatter less.
#[test]
fn items_are_drawn_by_their_priorities() {
    let replay = filled(TableKind::Prioritized {
        exponent: EXPONENT,
        epsilon: EPSILON,
        initial: InitialPriority::Largest,
        pace: FREE,
    });
    let share = |i| (i as f64 / 10.0 + EPSILON).powf(EXPONENT);
    let shares: Vec<f64> = (0..ITEMS).map(share).collect();
    let found = chi_square(&replay, &shares);
    assert!(found < 72.1, "{found}");
    let even = chi_square(&replay, &[1.0; ITEMS]);
    assert!(even > 1000.0, "{even}: all alike");
}

#[test]
fn all_items_are_drawn_alike_without_priorities() {
    let replay = filled(TableKind::Uniform { pace: FREE });
    let found = chi_square(&replay, &[1.0; ITEMS]);
    assert!((10.0..72.1).contains(&found), "{found}");
}
