use super::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn rate(ratio: f64, band: f64) -> Option<SamplesPerInsert> {
    Some(SamplesPerInsert {
        ratio,
        band_env_steps: band,
    })
}

/// A million appends and draws by chance, each if it may: somebody always may, and the rate is kept.
#[test]
fn the_rate_stays_within_its_band() {
    for (seed, ratio) in [0.25_f64, 1.0, 3.5, 16.0].into_iter().enumerate() {
        let portions = Portions {
            append: 20,
            draw: 64,
        };
        let band = (20.0 * ratio).max(64.0);
        let start = 1000;
        let mut limiter = RateLimiter::sampled(start, rate(ratio, band), portions).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let (mut added, mut drawn) = (0_u64, 0_u64);
        for _ in 0..1_000_000 {
            assert!(limiter.may_append(20) || limiter.may_draw(64), "both wait");
            if rng.random() {
                let count = rng.random_range(1..=20);
                if limiter.may_append(count) {
                    limiter.appended(count);
                    added += count;
                }
            } else {
                let count = rng.random_range(1..=64);
                if limiter.may_draw(count) {
                    assert!(added >= start, "too early");
                    limiter.drawn(count);
                    drawn += count;
                }
            }
            if added >= start {
                let off = (added - start) as f64 * ratio - drawn as f64;
                assert!(off.abs() <= band, "{off} off at {added} and {drawn}");
            }
        }
        let found = drawn as f64 / (added - start) as f64;
        assert!((found / ratio - 1.0).abs() < 0.01, "{found} for {ratio}");
    }
}

#[test]
fn what_is_reserved_counts_until_it_is_released() {
    let portions = Portions {
        append: 10,
        draw: 5,
    };
    let mut limiter = RateLimiter::sampled(0, rate(1.0, 10.0), portions).unwrap();
    assert!(limiter.may_append(10));
    limiter.reserve(10);
    assert!(!limiter.may_append(1));
    limiter.release(10);
    assert!(limiter.may_append(10));
}

#[test]
fn a_queue_is_never_longer_than_it_may_be() {
    let portions = Portions { append: 4, draw: 8 };
    let mut limiter = RateLimiter::queue(11, portions).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut waiting = 0;
    for _ in 0..100_000 {
        assert!(limiter.may_append(4) || limiter.may_draw(8), "both wait");
        let count = rng.random_range(1..=4);
        if rng.random() && limiter.may_append(count) {
            limiter.appended(count);
            waiting += count;
        } else if limiter.may_draw(2 * count) {
            limiter.drawn(2 * count);
            waiting -= 2 * count;
        }
        assert!(waiting <= 11);
    }
}

#[test]
fn without_a_rate_only_the_beginning_waits() {
    let portions = Portions { append: 1, draw: 1 };
    let mut limiter = RateLimiter::sampled(5, None, portions).unwrap();
    limiter.appended(4);
    assert!(!limiter.may_draw(1));
    limiter.appended(1);
    assert!(limiter.may_draw(1_000_000) && limiter.may_append(1_000_000));
}

#[test]
fn limits_between_which_nobody_could_go_on_are_refused() {
    let portions = Portions {
        append: 20,
        draw: 64,
    };
    let refused = |rate| {
        RateLimiter::sampled(0, rate, portions)
            .unwrap_err()
            .to_string()
    };
    let text = refused(rate(4.0, 79.0));
    assert!(
        text.contains("a band of 79 env steps around samples_per_insert = 4 is too narrow"),
        "{text}"
    );
    assert!(text.contains("set the band to 80 or more"), "{text}");
    assert!(refused(rate(1.0, 63.0)).contains("set the band to 64 or more"));
    assert!(refused(rate(1.0, f64::NAN)).contains("too narrow"));
    assert!(refused(rate(0.0, 100.0)).contains("above 0"));
    assert!(refused(rate(f64::INFINITY, 100.0)).contains("above 0"));
    let text = RateLimiter::queue(82, portions).unwrap_err().to_string();
    assert!(text.contains("a queue of 82 items is too short"), "{text}");
    assert!(text.contains("set it to 83 or more"), "{text}");
}
