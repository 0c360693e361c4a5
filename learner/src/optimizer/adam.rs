//! Adam with bias correction, ε outside of the root (Kingma & Ba 2015, algorithm 1):
//! `m ← β₁m + (1−β₁)Δ; v ← β₂v + (1−β₂)Δ²; m̂ = m/(1−β₁ᵗ); v̂ = v/(1−β₂ᵗ); θ ← θ − ηm̂/(√v̂+ε)`

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Adam {
    /// `η/(1−β₁ᵗ)`
    rate: f32,
    beta1: f32,
    rest1: f32,
    beta2: f32,
    rest2: f32,
    /// `1/√(1−β₂ᵗ)`
    root_correction: f32,
    epsilon: f32,
}

impl Adam {
    /// `number` is t, counted from 1.
    pub(super) fn new(rate: f32, number: u64, beta1: f64, beta2: f64, epsilon: f64) -> Self {
        let bias = |beta: f64| 1.0 - beta.powf(number as f64);
        Self {
            rate: (f64::from(rate) / bias(beta1)) as f32,
            beta1: beta1 as f32,
            rest1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            rest2: (1.0 - beta2) as f32,
            root_correction: bias(beta2).sqrt().recip() as f32,
            epsilon: epsilon as f32,
        }
    }
}

impl Kernel<2> for Adam {
    #[inline(always)]
    fn advance(self, [m, v]: [f32; 2], d: f32) -> ([f32; 2], f32) {
        let m = self.beta1 * m + self.rest1 * d;
        let v = self.beta2 * v + self.rest2 * d * d;
        let root = v.sqrt() * self.root_correction;
        ([m, v], self.rate * m / (root + self.epsilon))
    }
}
