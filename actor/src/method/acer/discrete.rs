//! Discrete actions: φ are softmax probabilities, and `V(s) = Σ_a π(a|s) Q(s, a)`.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Actions;
use troop_common::experiment::ModelSettings;
use troop_common::spaces::Spaces;

use super::ascent::expected_correction;
use super::taken_actions::TakenActions;
use super::variant::{Derivatives, Judgement, Samples, States, Truncation, Variant};
use crate::nn::distribution::{Family, Policy, Statistics, mask_of, softmax, softmax_gradient};
use crate::nn::{Head, HeadKind, Model, ModelError, Network, OutputGradients, Outputs};

/// Heads for the policy and for `Q(s, ·)`.
#[derive(Debug)]
pub(super) struct Discrete {
    actions: usize,
    policy: Policy,
    network: Arc<Network>,
}

impl Discrete {
    pub(super) fn new(
        model: &ModelSettings,
        spaces: &Spaces,
        actions: usize,
    ) -> Result<Self, ModelError> {
        let policy = Policy::Categorical { actions };
        let mut heads = policy.heads();
        heads.push(Head {
            name: "q",
            outputs: actions,
            gain: 1.0,
            kind: HeadKind::Judges,
        });
        let network = Network::new(model, spaces, &heads)?;
        Ok(Self {
            actions,
            policy,
            network: Arc::new(network),
        })
    }
}

impl Variant for Discrete {
    fn network(&self) -> &Arc<Network> {
        &self.network
    }

    fn family(&self) -> Family {
        Family::Categorical
    }

    fn statistics(&self) -> usize {
        self.actions
    }

    fn actions(&self, actions: &Actions) -> TakenActions {
        match actions {
            Actions::Discrete(actions) => {
                TakenActions::Choices(actions.iter().map(|action| *action as usize).collect())
            }
            _ => panic!("the segment's actions are of another kind than the policy's"),
        }
    }

    fn sample(&self, phi: &[f64], rng: &mut ChaCha8Rng) -> Actions {
        let heads = [phi.iter().map(|p| p.ln() as f32).collect()];
        let statistics = Statistics {
            heads: &heads,
            masks: &[],
        };
        self.policy.sample(statistics, rng)
    }

    fn mode(&self, phi: &[f64]) -> Actions {
        let heads = [phi.iter().map(|p| *p as f32).collect()];
        self.policy.mode(Statistics {
            heads: &heads,
            masks: &[],
        })
    }

    fn states(&self, outputs: &Outputs, masks: &[bool]) -> States {
        let [logits, q] = &outputs.heads[..] else {
            panic!("logits and values")
        };
        let mut phi = vec![0.0; logits.len()];
        let rows = logits.len() / self.actions;
        let of_rows = phi.chunks_exact_mut(self.actions);
        for (row, (phi, logits)) in of_rows.zip(logits.chunks_exact(self.actions)).enumerate() {
            softmax(logits, mask_of(masks, row, rows), phi);
        }
        let of_rows = phi.chunks_exact(self.actions);
        let mean =
            |(phi, q): (&[f64], &[f32])| phi.iter().zip(q).map(|(p, q)| p * f64::from(*q)).sum();
        let v = of_rows
            .zip(q.chunks_exact(self.actions))
            .map(mean)
            .collect();
        States { phi, v }
    }

    fn draw(&self, _: &[f64], _: &mut ChaCha8Rng) -> Option<Samples> {
        None
    }

    fn judge(
        &self,
        online: &mut dyn Model,
        _: &States,
        actions: &TakenActions,
        _: Option<&Samples>,
    ) -> Judgement {
        let q = &online.outputs().heads[1];
        let TakenActions::Choices(taken) = actions else {
            panic!("the segment's actions are of another kind than the policy's")
        };
        let of_taken = q.chunks_exact(self.actions).zip(taken);
        Judgement {
            q_t: of_taken.map(|(q, action)| f64::from(q[*action])).collect(),
            q_other: q.iter().map(|q| f64::from(*q)).collect(),
        }
    }

    fn trace(&self, rho_t: f64) -> f64 {
        rho_t.min(1.0)
    }

    fn learns_state_values(&self) -> bool {
        false
    }

    fn correction(&self, of: &Truncation<'_>, c: f64, correction: &mut [f64]) {
        expected_correction((of.phi, of.mu), (of.q_other, of.v), c, correction);
    }

    fn gradients(
        &self,
        states: &States,
        actions: &TakenActions,
        of: &Derivatives,
    ) -> OutputGradients {
        let TakenActions::Choices(taken) = actions else {
            panic!("the segment's actions are of another kind than the policy's")
        };
        let width = self.actions;
        let mut of_logits = vec![0.0; states.phi.len()];
        let mut of_q = vec![0.0; states.phi.len()];
        for (row, action) in taken.iter().enumerate() {
            let range = row * width..(row + 1) * width;
            let (phi, of_phi) = (&states.phi[range.clone()], &of.phi[range.clone()]);
            softmax_gradient(phi, of_phi, &mut of_logits[range]);
            of_q[row * width + action] = of.q_t[row] as f32;
        }
        OutputGradients {
            heads: vec![of_logits, of_q],
            judgements: Vec::new(),
        }
    }
}
