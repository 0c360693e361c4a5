//! The simulation against what must be true of any such system.

use super::closed_form::ClosedForm;
use super::outcome::Outcome;
use super::simulation::{Cluster, Passage, Simulation};

const ONE: Cluster = Cluster {
    workers: 1,
    shards: 1,
    in_flight: 1,
    compute_seconds: 0.1,
    receive_seconds: 0.02,
    apply_seconds: 0.03,
    send_seconds: 0.01,
    weights_period_seconds: 0.0,
    compute_spread: 0.0,
    apply_spread: 0.0,
    gradients: 4_000,
    seed: 1,
};

/// Nothing is at its limit: 60 % of the time it applies.
const EASY: Cluster = Cluster {
    workers: 200,
    shards: 4,
    compute_seconds: 10.0,
    compute_spread: 1.0,
    apply_spread: 0.2,
    gradients: 20_000,
    ..ONE
};

/// Workers want three times of what can be applied.
const CROWDED: Cluster = Cluster {
    compute_seconds: 2.0,
    ..EASY
};

#[track_caller]
fn assert_close(found: f64, expected: f64, tolerance: f64) {
    let difference = (found - expected).abs();
    assert!(
        difference <= tolerance * expected.abs().max(1e-9),
        "{found} is not {expected}"
    );
}

#[test]
fn one_worker_goes_round_as_the_sum_of_its_times() {
    for shards in [1, 3] {
        let alone = Cluster { shards, ..ONE };
        let (found, formula) = (Outcome::of(alone), ClosedForm::of(&alone));
        assert_close(found.gradients_per_second, 1.0 / 0.16, 1e-6);
        assert_close(formula.gradients_per_second, 1.0 / 0.16, 1e-9);
        assert_close(found.applying_busy_share, 0.03 / 0.16, 1e-3);
        assert_close(formula.applying_busy_share, 0.03 / 0.16, 1e-9);
        assert_eq!(found.staleness_mean_updates, 0.0);
        assert_eq!(formula.staleness_mean_updates, 0.0);
        assert_close(found.wait_p99_seconds, 0.0, 1e-9);
    }
}

#[test]
fn one_worker_that_sends_ahead_hides_the_way_and_is_one_update_behind() {
    let ahead = Cluster {
        in_flight: 2,
        ..ONE
    };
    let (found, formula) = (Outcome::of(ahead), ClosedForm::of(&ahead));
    assert_close(found.gradients_per_second, 10.0, 1e-6);
    assert_close(formula.gradients_per_second, 10.0, 1e-9);
    assert_close(found.staleness_mean_updates, 1.0, 1e-3);
    assert_eq!(formula.staleness_mean_updates, 1.0);
}

#[test]
fn nothing_is_busy_for_more_than_all_of_the_time() {
    for cluster in [EASY, CROWDED] {
        for in_flight in [1, 2] {
            let found = Outcome::of(Cluster {
                in_flight,
                ..cluster
            });
            let shares = [
                found.link_in_busy_share,
                found.applying_busy_share,
                found.link_out_busy_share,
            ];
            assert!(
                shares.iter().all(|share| (0.0..=1.0).contains(share)),
                "{found:?}"
            );
        }
    }
    let crowded = Outcome::of(CROWDED);
    assert!(crowded.applying_busy_share > 0.97, "{crowded:?}");
}

#[test]
fn formulas_are_met_if_nothing_is_at_its_limit() {
    let (found, formula) = (Outcome::of(EASY), ClosedForm::of(&EASY));
    assert_close(
        found.gradients_per_second,
        formula.gradients_per_second,
        0.05,
    );
    assert_close(found.applying_busy_share, formula.applying_busy_share, 0.05);
    assert_close(
        found.staleness_mean_updates,
        formula.staleness_mean_updates,
        0.05,
    );
}

/// A link that alone takes time, and arrivals that are nearly those of Poisson.
#[test]
fn waits_are_those_of_a_queue_with_random_arrivals() {
    let link = Cluster {
        workers: 2_000,
        shards: 1,
        compute_seconds: 2_000.0 * 0.02 / 0.6,
        apply_seconds: 1e-6,
        send_seconds: 1e-6,
        gradients: 60_000,
        ..EASY
    };
    let expected = 0.6 * 0.02 / (2.0 * 0.4);
    assert_close(ClosedForm::of(&link).wait_mean_seconds, expected, 0.01);
    assert_close(Outcome::of(link).wait_mean_seconds, expected, 0.1);
}

/// Both sides are counted by themselves: who is there at each moment, and how long each stays.
#[test]
fn littles_law_holds() {
    for cluster in [EASY, CROWDED] {
        let mut changes = Vec::new();
        let (mut stayed, mut slices) = (0.0, 0.0);
        let (window, _) = Simulation::new(cluster).run(|passages: &[Passage]| {
            for passage in passages {
                changes.extend([(passage.sent, 1.0), (passage.applied.end, -1.0)]);
                stayed += passage.applied.end - passage.sent;
                slices += 1.0;
            }
        });
        changes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut there, mut area, mut at) = (0.0, 0.0, window.start);
        for (time, change) in changes {
            let until = f64::min(time, window.end);
            area += there * (until - at);
            there += change;
            at = until;
        }
        let seconds = window.end - window.start;
        let by_law = slices / seconds * (stayed / slices);
        // Those of the beginning are not seen, nor are those of the end seen off.
        assert_close(area / seconds, by_law, 0.05);
    }
}

#[test]
fn more_shards_are_never_slower() {
    let constant = Cluster {
        compute_spread: 0.0,
        apply_spread: 0.0,
        ..CROWDED
    };
    let rates: Vec<f64> = (1..=8)
        .map(|shards| {
            let share = 1.0 / shards as f64;
            let spread = Cluster {
                shards,
                receive_seconds: constant.receive_seconds * share,
                apply_seconds: constant.apply_seconds * share,
                send_seconds: constant.send_seconds * share,
                ..constant
            };
            Outcome::of(spread).gradients_per_second
        })
        .collect();
    assert!(
        rates
            .windows(2)
            .all(|pair| pair[1] >= pair[0] * (1.0 - 1e-6)),
        "{rates:?}"
    );
    assert_close(rates[1], 2.0 * rates[0], 0.03);
}

#[test]
fn seldom_weights_are_older() {
    let seldom = Cluster {
        weights_period_seconds: 40.0,
        ..EASY
    };
    let (often, seldom_found) = (Outcome::of(EASY), Outcome::of(seldom));
    assert!(seldom_found.staleness_mean_updates > 1.5 * often.staleness_mean_updates);
    assert!(seldom_found.link_out_busy_share < 0.5 * often.link_out_busy_share);
    assert_close(
        seldom_found.staleness_mean_updates,
        ClosedForm::of(&seldom).staleness_mean_updates,
        0.35,
    );
}

#[test]
fn a_seed_is_a_simulation() {
    let again = Outcome::of(EASY);
    assert_eq!(Outcome::of(EASY), again);
    assert_ne!(Outcome::of(Cluster { seed: 2, ..EASY }), again);
}
