//! How long a worker that trains waits.

use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_actor::link::{RemoteReplayReader, ReplayReader};

use super::workers::{link, network};

/// What computing a gradient takes, while draws are on their way.
const COMPUTING: Duration = Duration::from_millis(10);

const DRAWS: usize = 300;

const PRIORITIES: usize = 200;

/// A priority that decides every draw, and one that decides none.
const HIGH: f32 = 1e9;
const LOW: f32 = 1e-6;

/// Half, and all but a hundredth, take no longer.
#[derive(Clone, Copy)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

impl Quantiles {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * seconds.len() as f64).ceil() as usize;
            let index = index.clamp(1, seconds.len().max(1)) - 1;
            seconds.get(index).copied().unwrap_or(f64::NAN)
        };
        Self {
            p50: at(0.5),
            p99: at(0.99),
        }
    }
}

/// Seconds that a draw takes, with two on their way while the worker computes.
///
/// # Errors
/// If it cannot draw.
pub(super) fn draws(url: &str, batch: usize) -> anyhow::Result<Quantiles> {
    let runtime = network()?;
    let mut reader = RemoteReplayReader::new(link(url, 2, runtime.handle()));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut draw = || -> anyhow::Result<f64> {
        let began = Instant::now();
        std::hint::black_box(reader.draw(batch, 0.4, 0, &mut rng)?);
        let seconds = began.elapsed().as_secs_f64();
        std::thread::sleep(COMPUTING);
        Ok(seconds)
    };
    // The first one waits for the connection.
    draw()?;
    let seconds = (0..DRAWS).map(|_| draw()).collect::<anyhow::Result<_>>()?;
    Ok(Quantiles::of(seconds))
}

/// Seconds from sending a priority until a draw shows it.
///
/// # Errors
/// If it cannot draw.
pub(super) fn priorities(url: &str) -> anyhow::Result<Quantiles> {
    let runtime = network()?;
    let mut reader = RemoteReplayReader::new(link(url, 1, runtime.handle()));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut seconds = Vec::with_capacity(PRIORITIES);
    let mut marked = None;
    for _ in 0..PRIORITIES {
        if let Some(marked) = marked {
            reader.reprioritise(&[marked], &[LOW]);
        }
        let key = another(marked, &mut reader, &mut rng)?;
        let began = Instant::now();
        reader.reprioritise(&[key], &[HIGH]);
        // What was on its way is older.
        reader.draw(1, 0.4, 0, &mut rng)?;
        while !reader.draw(1, 0.4, 0, &mut rng)?.keys().contains(&key) {}
        seconds.push(began.elapsed().as_secs_f64());
        marked = Some(key);
    }
    Ok(Quantiles::of(seconds))
}

/// The key of an item that is drawn next, but for one.
fn another(
    but: Option<u64>,
    reader: &mut RemoteReplayReader,
    rng: &mut ChaCha8Rng,
) -> anyhow::Result<u64> {
    loop {
        let drawn = reader.draw(1, 0.4, 0, rng)?;
        if let Some(key) = drawn.keys().iter().find(|it| Some(**it) != but) {
            return Ok(*key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let of = Quantiles::of((1..=200).rev().map(f64::from).collect());
        assert_eq!((of.p50, of.p99), (100.0, 198.0));
        let one = Quantiles::of(vec![7.0]);
        assert_eq!((one.p50, one.p99), (7.0, 7.0));
    }
}
