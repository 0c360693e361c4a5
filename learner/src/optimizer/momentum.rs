//! SGD with momentum (Polyak 1964; as in Sutskever et al. 2013 without Nesterov's term, with the
//! rate outside of the velocity): `v ← μv + Δ; θ ← θ − ηv`. Mnih et al. 2016, §4.2, have the average in
//! place of the sum: `v ← μv + (1−μ)Δ`.

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Momentum {
    rate: f32,
    momentum: f32,
    gain: f32,
}

impl Momentum {
    /// `gain` is what Δ counts: 1, or 1 − μ.
    pub(super) fn new(rate: f32, momentum: f64, gain: f64) -> Self {
        Self {
            rate,
            momentum: momentum as f32,
            gain: gain as f32,
        }
    }
}

impl Kernel<1> for Momentum {
    #[inline(always)]
    fn advance(self, [v]: [f32; 1], d: f32) -> ([f32; 1], f32) {
        let v = self.momentum * v + self.gain * d;
        ([v], self.rate * v)
    }
}
