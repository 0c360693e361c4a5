//! Where a pass takes each parameter's gradient from.

use troop_common::wire::Element;

use super::step::{Compensation, Step};

/// Gives one parameter's gradient. Passes are compiled for each source, so that the plain one does
/// not pay for the other.
pub(super) trait Source: Copy {
    /// The same source, known to the compiler to have `len` elements.
    fn cut(self, len: usize) -> Self;

    /// The gradient at `index`, where the parameter is `theta` now.
    fn at(self, index: usize, theta: f32) -> f32;
}

/// The gradient as it came, scaled.
#[derive(Clone, Copy)]
pub(super) struct Plain<'a, E> {
    gradient: &'a [E],
    scale: f32,
}

impl<'a, E> Plain<'a, E> {
    pub(super) fn new(gradient: &'a [E], step: &Step<'a>) -> Self {
        Self {
            gradient,
            scale: step.scale,
        }
    }
}

impl<E: Element> Source for Plain<'_, E> {
    #[inline(always)]
    fn cut(self, len: usize) -> Self {
        Self {
            gradient: &self.gradient[..len],
            ..self
        }
    }

    #[inline(always)]
    fn at(self, index: usize, _theta: f32) -> f32 {
        self.scale * self.gradient[index].value()
    }
}

/// The gradient, compensated for the way that the parameters have gone meanwhile.
#[derive(Clone, Copy)]
pub(super) struct Compensated<'a, E> {
    plain: Plain<'a, E>,
    compensation: Compensation<'a>,
}

impl<'a, E> Compensated<'a, E> {
    pub(super) fn new(plain: Plain<'a, E>, compensation: Compensation<'a>) -> Self {
        Self {
            plain,
            compensation,
        }
    }
}

impl<E: Element> Source for Compensated<'_, E> {
    #[inline(always)]
    fn cut(self, len: usize) -> Self {
        Self {
            plain: self.plain.cut(len),
            compensation: Compensation {
                computed_on: &self.compensation.computed_on[..len],
                ..self.compensation
            },
        }
    }

    #[inline(always)]
    fn at(self, index: usize, theta: f32) -> f32 {
        let d = self.plain.at(index, theta);
        let moved = theta - self.compensation.computed_on[index];
        d + self.compensation.lambda * d * d * moved
    }
}
