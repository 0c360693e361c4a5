//! Continuous actions: φ is the mean of a Gaussian with a fixed deviation, and the critic is a
//! stochastic duelling network (Wang et al. 2017, eq. 13):
//!
//! ```text
//! Q̃(s, a) = V(s) + A(s, a) − 1/n Σ_j A(s, u_j),   u_j ~ π(·|s)
//! ```
//!
//! `A` sees actions as the environment executes them, clipped to its bounds: what lies beyond is worth what
//! the bound is, and no value is made up for it. Probabilities are of actions as they were drawn.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Actions;
use troop_common::experiment::{AcerSettings, ModelSettings};
use troop_common::spaces::Spaces;

use super::ascent::sampled_correction;
use super::taken_actions::TakenActions;
use super::variant::{Derivatives, Judgement, Samples, States, Truncation, Variant};
use crate::nn::distribution::{BoundsPenalty, Family, Taken, standard_normal};
use crate::nn::{Head, HeadKind, Model, ModelError, Network, OutputGradients, Outputs};

/// Heads for the mean and for `V(s)`, and one for `A(s, a)`.
#[derive(Debug)]
pub(super) struct Continuous {
    dimensions: usize,
    /// Bounds of actions, `[D]` each.
    low: Vec<f32>,
    high: Vec<f32>,
    /// None if means may be anywhere.
    penalty: Option<BoundsPenalty>,
    deviation: f64,
    /// n
    duelling_samples: usize,
    network: Arc<Network>,
}

impl Continuous {
    pub(super) fn new(
        settings: &AcerSettings,
        model: &ModelSettings,
        spaces: &Spaces,
        (low, high): (&[f32], &[f32]),
    ) -> Result<Self, ModelError> {
        let dimensions = low.len();
        let heads = [
            Head {
                name: "mean",
                outputs: dimensions,
                gain: 0.01,
                kind: HeadKind::Acts,
            },
            Head {
                name: "value",
                outputs: 1,
                gain: 1.0,
                kind: HeadKind::Judges,
            },
        ];
        let network = Network::new(model, spaces, &heads)?.with_action_head(
            model,
            "advantage",
            dimensions,
        )?;
        Ok(Self {
            dimensions,
            low: low.to_vec(),
            high: high.to_vec(),
            penalty: BoundsPenalty::new(&spaces.action, model),
            deviation: settings.action_deviation,
            duelling_samples: settings.duelling_samples,
            network: Arc::new(network),
        })
    }

    /// What the environment makes of an action `[D]`.
    fn executed<'a>(&'a self, action: &'a [f64]) -> impl Iterator<Item = f32> + 'a {
        let bounds = self.low.iter().zip(&self.high);
        let clipped =
            |(action, (low, high)): (&f64, (&f32, &f32))| (*action as f32).max(*low).min(*high);
        action.iter().zip(bounds).map(clipped)
    }

    /// `count` actions from each row's policy, `[B, count, D]`.
    fn actions_of(&self, phi: &[f64], count: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
        let mut actions = Vec::with_capacity(phi.len() * count);
        for mean in phi.chunks_exact(self.dimensions) {
            for _ in 0..count {
                let noisy = |mean: &f64| mean + f64::from(standard_normal(rng)) * self.deviation;
                actions.extend(mean.iter().map(noisy));
            }
        }
        actions
    }
}

impl Variant for Continuous {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn family(&self) -> Family {
        Family::Gaussian {
            deviation: self.deviation,
        }
    }

    fn bounds_penalty(&self) -> Option<&BoundsPenalty> {
        self.penalty.as_ref()
    }

    fn statistics(&self) -> usize {
        self.dimensions
    }

    fn actions(&self, actions: &Actions) -> TakenActions {
        match actions {
            Actions::Continuous(actions) => TakenActions::Points {
                all: actions.iter().map(|action| f64::from(*action)).collect(),
                dimensions: self.dimensions,
            },
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }

    fn sample(&self, phi: &[f64], rng: &mut ChaCha8Rng) -> Actions {
        let drawn = self.actions_of(phi, 1, rng);
        Actions::Continuous(drawn.iter().map(|action| *action as f32).collect())
    }

    fn mode(&self, phi: &[f64]) -> Actions {
        Actions::Continuous(phi.iter().map(|mean| *mean as f32).collect())
    }

    fn states(&self, outputs: &Outputs, _: &[bool]) -> States {
        let [mean, v] = &outputs.heads[..] else {
            panic!("a mean and a value")
        };
        let doubles = |values: &[f32]| values.iter().map(|value| f64::from(*value)).collect();
        States {
            phi: doubles(mean),
            v: doubles(v),
        }
    }

    fn draw(&self, phi: &[f64], rng: &mut ChaCha8Rng) -> Option<Samples> {
        Some(Samples {
            u: self.actions_of(phi, self.duelling_samples, rng),
            other: self.actions_of(phi, 1, rng),
        })
    }

    fn judge(
        &self,
        online: &mut dyn Model,
        states: &States,
        actions: &TakenActions,
        samples: Option<&Samples>,
    ) -> Judgement {
        let (Some(Samples { u, other }), TakenActions::Points { all: taken, .. }) =
            (samples, actions)
        else {
            panic!("a stochastic duelling network needs real numbers, and samples")
        };
        let (width, count) = (self.dimensions, self.duelling_samples);
        let mut judged = Vec::with_capacity(taken.len() * (2 + count));
        for ((taken, other), u) in taken
            .chunks_exact(width)
            .zip(other.chunks_exact(width))
            .zip(u.chunks_exact(width * count))
        {
            for action in [taken, other].into_iter().chain(u.chunks_exact(width)) {
                judged.extend(self.executed(action));
            }
        }
        let all = online.judge(&judged);
        let (mut q_t, mut q_other) = (Vec::new(), Vec::new());
        for (advantages, v) in all.chunks_exact(2 + count).zip(&states.v) {
            let of_u = advantages[2..]
                .iter()
                .map(|advantage| f64::from(*advantage));
            let mean = of_u.sum::<f64>() / count as f64;
            q_t.push(v + f64::from(advantages[0]) - mean);
            q_other.push(v + f64::from(advantages[1]) - mean);
        }
        Judgement { q_t, q_other }
    }

    fn trace(&self, rho_t: f64) -> f64 {
        rho_t.powf(1.0 / self.dimensions as f64).min(1.0)
    }

    fn learns_state_values(&self) -> bool {
        true
    }

    fn correction(&self, of: &Truncation<'_>, c: f64, correction: &mut [f64]) {
        let (drawn, advantage) = (Taken::Point(of.other), of.q_other[0] - of.v);
        sampled_correction(
            self.family(),
            (of.phi, of.mu),
            drawn,
            advantage,
            c,
            correction,
        );
    }

    fn gradients(&self, _: &States, _: &TakenActions, of: &Derivatives) -> OutputGradients {
        let count = self.duelling_samples;
        let mut judgements = Vec::with_capacity(of.q_t.len() * (2 + count));
        for of_q in &of.q_t {
            // Q̃ of a' is held constant.
            judgements.extend([*of_q as f32, 0.0]);
            judgements.extend(std::iter::repeat_n((-of_q / count as f64) as f32, count));
        }
        let of_v = of.q_t.iter().zip(&of.v).map(|(q, v)| (q + v) as f32);
        OutputGradients {
            heads: vec![of.phi.iter().map(|of| *of as f32).collect(), of_v.collect()],
            judgements,
        }
    }
}
