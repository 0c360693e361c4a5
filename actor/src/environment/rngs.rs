use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// One generator for each environment: streams of the same key never meet.
pub(super) fn rngs(seed: u64, count: usize) -> Vec<ChaCha8Rng> {
    let stream = |index: usize| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(index as u64);
        rng
    };
    (0..count).map(stream).collect()
}
