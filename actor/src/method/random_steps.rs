use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{End, OpenValues};

/// Up to eleven steps of up to four environments with ends of all kinds inside, for what goes backwards in
/// time. Arrays are `[T, E]`.
pub(super) struct RandomSteps {
    pub(super) environments: usize,
    pub(super) r_t: Vec<f32>,
    pub(super) v_t: Vec<f32>,
    pub(super) q_t: Vec<f32>,
    /// Importance weights from ¼ to 4: about as many above 1 as below.
    pub(super) rho_t: Vec<f32>,
    pub(super) ends: Vec<End>,
    /// None of them is 0 where something follows.
    pub(super) open: OpenValues,
}

impl RandomSteps {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (steps, environments) = (rng.random_range(1..12), rng.random_range(1..5));
        let n = steps * environments;
        let ends: Vec<End> = (0..n).map(|_| end(&mut rng)).collect();
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| rng.random_range(-2.0..2.0)).collect()
        };
        let finals = numbers(n);
        let at_ends = ends.iter().zip(finals);
        let at_ends = at_ends.map(|(end, v)| if *end == End::Truncated { v } else { 0.0 });
        Self {
            environments,
            r_t: numbers(n),
            v_t: numbers(n),
            q_t: numbers(n),
            rho_t: numbers(n).iter().map(|x| (0.7 * x).exp()).collect(),
            open: OpenValues {
                bootstrap: numbers(environments),
                at_ends: at_ends.collect(),
            },
            ends,
        }
    }

    /// Steps, `T`.
    pub(super) fn steps(&self) -> usize {
        self.r_t.len() / self.environments
    }

    /// `V_{t+1}` as it follows step `i`: across no end.
    pub(super) fn v_behind(&self, i: usize) -> f32 {
        let bootstrap = &self.open.bootstrap[i % self.environments];
        match self.ends[i] {
            End::Continues => *self.v_t.get(i + self.environments).unwrap_or(bootstrap),
            End::Truncated => self.open.at_ends[i],
            End::Terminated | End::LifeLost => 0.0,
        }
    }
}

/// Two of three go on.
fn end(rng: &mut ChaCha8Rng) -> End {
    match rng.random_range(0..9) {
        0 => End::Terminated,
        1 => End::LifeLost,
        2 => End::Truncated,
        _ => End::Continues,
    }
}
