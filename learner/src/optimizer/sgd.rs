//! `θ ← θ − ηΔ`

use super::pass::Kernel;

#[derive(Clone, Copy)]
pub(super) struct Sgd {
    rate: f32,
}

impl Sgd {
    pub(super) fn new(rate: f32) -> Self {
        Self { rate }
    }
}

impl Kernel<0> for Sgd {
    #[inline(always)]
    fn advance(self, _: [f32; 0], d: f32) -> ([f32; 0], f32) {
        ([], self.rate * d)
    }
}
