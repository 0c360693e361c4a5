//! Shared RMSProp, non-centred, ε inside the root (Mnih et al. 2016, eq. S2–S3):
//! `g ← αg + (1−α)Δ²; θ ← θ − ηΔ/√(g+ε)`

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Rmsprop {
    rate: f32,
    decay: f32,
    rest: f32,
    epsilon: f32,
}

impl Rmsprop {
    pub(super) fn new(rate: f32, decay: f64, epsilon: f64) -> Self {
        Self {
            rate,
            decay: decay as f32,
            rest: (1.0 - decay) as f32,
            epsilon: epsilon as f32,
        }
    }
}

impl Kernel<1> for Rmsprop {
    #[inline(always)]
    fn advance(self, [g]: [f32; 1], d: f32) -> ([f32; 1], f32) {
        let g = self.decay * g + self.rest * d * d;
        ([g], self.rate * d / (g + self.epsilon).sqrt())
    }
}
