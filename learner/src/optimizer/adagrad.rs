//! AdaGrad, diagonal (Duchi et al. 2011, ε outside of the root): `G ← G + Δ²; θ ← θ − ηΔ/(√G+ε)`

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Adagrad {
    rate: f32,
    epsilon: f32,
}

impl Adagrad {
    pub(super) fn new(rate: f32, epsilon: f64) -> Self {
        Self {
            rate,
            epsilon: epsilon as f32,
        }
    }
}

impl Kernel<1> for Adagrad {
    #[inline(always)]
    fn advance(self, [g]: [f32; 1], d: f32) -> ([f32; 1], f32) {
        let g = g + d * d;
        ([g], self.rate * d / (g.sqrt() + self.epsilon))
    }
}
