/// Who a worker is among those of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Every random number of the worker comes from it, see [`worker_seed`].
    pub seed: u64,
    /// Its place, from 0: the smallest that no other live session had when it joined.
    pub index: usize,
    /// Workers of its process, which share its memory.
    pub workers_here: usize,
}

/// A worker's seed from the run's, the learner's life, and the session's number.
pub fn worker_seed(experiment_seed: u64, epoch: u64, session: u64) -> u64 {
    // SplitMix64's finaliser over a sum of odd multiples: neighbours do not share streams.
    let mut z = experiment_seed
        .wrapping_add(epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(session.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The seed of worker number `beside`, from 0, of those that share a session whose seed is `seed`.
pub fn seed_beside(seed: u64, beside: usize) -> u64 {
    match beside {
        0 => seed,
        beside => worker_seed(seed, 0, beside as u64),
    }
}
