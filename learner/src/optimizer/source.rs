//! Where a pass takes each parameter's gradient from.

use troop_common::wire::Element;

use super::step::{Compensation, Step};
use super::vanishing::flushed;

/// Keeps the adaptive weight finite where all gradients were 0; the paper's.
const EPSILON: f32 = 1e-7;

/// Gives one parameter's gradient. Passes are compiled for each source, so that the plain one does
/// not pay for the others.
pub(super) trait Source {
    /// The same source, known to the compiler to have `len` elements.
    fn cut(self, len: usize) -> Self;

    /// The gradient at `index`, where the parameter is `theta` now; asked once for each.
    fn at(&mut self, index: usize, theta: f32) -> f32;
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
    fn at(&mut self, index: usize, _theta: f32) -> f32 {
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
    fn at(&mut self, index: usize, theta: f32) -> f32 {
        let d = self.plain.at(index, theta);
        let moved = theta - self.compensation.computed_on[index];
        d + self.compensation.lambda * d * d * moved
    }
}

/// The same, weighed by what the parameter's gradients were before.
pub(super) struct Adaptive<'a, E> {
    compensated: Compensated<'a, E>,
    /// m, of each parameter.
    squares: &'a mut [f32],
    decay: f32,
}

impl<'a, E> Adaptive<'a, E> {
    /// `decay` is β.
    pub(super) fn new(compensated: Compensated<'a, E>, squares: &'a mut [f32], decay: f32) -> Self {
        Self {
            compensated,
            squares,
            decay,
        }
    }
}

impl<E: Element> Source for Adaptive<'_, E> {
    #[inline(always)]
    fn cut(self, len: usize) -> Self {
        Self {
            compensated: self.compensated.cut(len),
            squares: &mut self.squares[..len],
            ..self
        }
    }

    #[inline(always)]
    fn at(&mut self, index: usize, theta: f32) -> f32 {
        let Compensated {
            plain,
            compensation,
        } = &mut self.compensated;
        let d = plain.at(index, theta);
        let moved = theta - compensation.computed_on[index];
        let square = self.decay * self.squares[index] + (1.0 - self.decay) * d * d;
        self.squares[index] = flushed(square);
        // In this order, so that a square that overflows leaves the gradient alone.
        d + compensation.lambda * (d / (square + EPSILON).sqrt()) * d * moved
    }
}
