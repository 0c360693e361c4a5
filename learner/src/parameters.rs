//! The parameters and the optimiser's state, in stripes with a lock each.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::lock::lock;
use crate::optimizer::Rule;

/// One step of the optimiser.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step<'a> {
    /// `dL/dθ` in the layout's order.
    pub(crate) gradient: &'a [f32],
    /// Factor on the gradient.
    pub(crate) scale: f32,
    /// Learning rate.
    pub(crate) rate: f32,
    /// Counts steps from 1.
    pub(crate) number: u64,
    /// How the gradient is corrected for its age.
    pub(crate) compensation: Option<Compensation<'a>>,
}

/// Adds `λ·g⊙g⊙(θ_now − θ_computed_on)` to a gradient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compensation<'a> {
    /// λ.
    pub(crate) lambda: f32,
    /// The parameters that the gradient was computed on.
    pub(crate) computed_on: &'a [f32],
}

struct Stripe {
    start: usize,
    parameters: Vec<f32>,
    state: Vec<Vec<f32>>,
}

/// One flat vector, divided into stripes. Appliers start at different stripes, so that several
/// gradients are applied at once: consistent within a stripe, Hogwild!-like across stripes.
pub(crate) struct StripedParameters {
    rule: Rule,
    len: usize,
    stripes: Vec<Mutex<Stripe>>,
    next_start: AtomicUsize,
}

/// A copy of parameters and optimiser state; `state` has one vector for each of the rule's names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ParametersCopy {
    pub(crate) parameters: Vec<f32>,
    pub(crate) state: Vec<Vec<f32>>,
}

impl StripedParameters {
    /// `state` is empty for a fresh start, or has one vector for each of the rule's names.
    pub(crate) fn new(rule: Rule, parameters: &[f32], state: &[Vec<f32>], stripes: usize) -> Self {
        let len = parameters.len();
        let size = len.div_ceil(stripes.clamp(1, len.max(1))).max(1);
        let stripe = |start: usize| {
            let range = start..(start + size).min(len);
            let fresh = || vec![0.0; range.len()];
            let part = |index: usize| {
                state
                    .get(index)
                    .map_or_else(fresh, |vector| vector[range.clone()].to_vec())
            };
            Mutex::new(Stripe {
                start,
                parameters: parameters[range.clone()].to_vec(),
                state: (0..rule.state_names().len()).map(part).collect(),
            })
        };
        let stripes = (0..len).step_by(size).map(stripe).collect();
        Self {
            rule,
            len,
            stripes,
            next_start: AtomicUsize::new(0),
        }
    }

    pub(crate) fn rule(&self) -> Rule {
        self.rule
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes one step.
    pub(crate) fn apply(&self, step: &Step<'_>) {
        let first = self.next_start.fetch_add(1, Ordering::Relaxed);
        for turn in 0..self.stripes.len() {
            let stripe = &mut *lock(&self.stripes[(first + turn) % self.stripes.len()]);
            let range = stripe.start..stripe.start + stripe.parameters.len();
            let mut part = step.gradient[range.clone()].to_vec();
            if let Some(Compensation {
                lambda,
                computed_on,
            }) = step.compensation
            {
                for ((g, now), then) in part
                    .iter_mut()
                    .zip(&stripe.parameters)
                    .zip(&computed_on[range])
                {
                    let scaled = *g * step.scale;
                    *g += lambda * scaled * *g * (now - then);
                }
            }
            self.rule.step(
                &mut stripe.parameters,
                &mut stripe.state,
                &part,
                step.scale,
                step.rate,
            );
        }
    }

    /// Copies the parameters into `into`, which has their length.
    pub(crate) fn read(&self, into: &mut [f32]) {
        for stripe in &self.stripes {
            let stripe = lock(stripe);
            into[stripe.start..stripe.start + stripe.parameters.len()]
                .copy_from_slice(&stripe.parameters);
        }
    }

    /// Copies parameters and state together, stripe by stripe.
    pub(crate) fn copy(&self) -> ParametersCopy {
        let mut copy = ParametersCopy {
            parameters: Vec::with_capacity(self.len),
            state: vec![Vec::with_capacity(self.len); self.rule.state_names().len()],
        };
        for stripe in &self.stripes {
            let stripe = lock(stripe);
            copy.parameters.extend_from_slice(&stripe.parameters);
            copy.state
                .iter_mut()
                .zip(&stripe.state)
                .for_each(|(all, part)| all.extend_from_slice(part));
        }
        copy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RMSPROP: Rule = Rule::Rmsprop {
        decay: 0.9,
        epsilon: 0.01,
    };

    fn step(gradient: &[f32], scale: f32, rate: f32) -> Step<'_> {
        Step {
            gradient,
            scale,
            rate,
            number: 1,
            compensation: None,
        }
    }

    fn start(len: usize) -> Vec<f32> {
        (0..len).map(|i| i as f32 / 7.0).collect()
    }

    fn gradient(len: usize, k: usize) -> Vec<f32> {
        (0..len)
            .map(|i| ((i * 31 + k * 17) % 13) as f32 - 6.0)
            .collect()
    }

    #[test]
    fn striping_changes_nothing_for_a_single_applier() {
        for stripes in [1, 2, 3, 16, 100] {
            let len = 23;
            let striped = StripedParameters::new(RMSPROP, &start(len), &[], stripes);
            let (mut plain, mut state) = (start(len), [vec![0.0; len]]);
            for k in 0..50 {
                striped.apply(&step(&gradient(len, k), 0.5, 0.1));
                RMSPROP.step(&mut plain, &mut state, &gradient(len, k), 0.5, 0.1);
            }
            let copy = striped.copy();
            assert_eq!(copy.parameters, plain);
            assert_eq!(copy.state, state);
            let mut read = vec![0.0; len];
            striped.read(&mut read);
            assert_eq!(read, plain);
        }
    }

    #[test]
    fn state_survives_a_restart() {
        let first = StripedParameters::new(RMSPROP, &start(10), &[], 3);
        first.apply(&step(&gradient(10, 1), 1.0, 0.1));
        let copy = first.copy();
        let second = StripedParameters::new(RMSPROP, &copy.parameters, &copy.state, 4);
        first.apply(&step(&gradient(10, 2), 1.0, 0.1));
        second.apply(&step(&gradient(10, 2), 1.0, 0.1));
        assert_eq!(first.copy(), second.copy());
    }

    #[test]
    fn concurrent_appliers_lose_no_step() {
        let shared = StripedParameters::new(Rule::Sgd, &[0.0; 64], &[], 8);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| shared.apply(&step(&[1.0; 64], 1.0, 1.0))));
            }
        });
        assert!(shared.copy().parameters.iter().all(|p| *p == -4000.0));
    }
}
