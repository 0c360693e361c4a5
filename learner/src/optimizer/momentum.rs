//! SGD with momentum (Polyak 1964; as in Sutskever et al. 2013 without Nesterov's term, with the
//! rate outside of the velocity): `v ← μv + Δ; θ ← θ − ηv`

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Momentum {
    rate: f32,
    momentum: f32,
}

impl Momentum {
    pub(super) fn new(rate: f32, momentum: f64) -> Self {
        Self {
            rate,
            momentum: momentum as f32,
        }
    }
}

impl Kernel<1> for Momentum {
    #[inline(always)]
    fn advance(self, [v]: [f32; 1], d: f32) -> ([f32; 1], f32) {
        let v = self.momentum * v + d;
        ([v], self.rate * v)
    }
}
