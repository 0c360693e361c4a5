//! Asynchronous advantage actor-critic (Mnih et al. 2016, algorithm S3), over `E` environments at once.
//!
//! Descends, per row,
//!
//! ```text
//! −log π(a_t|s_t; θ) Â_t  +  c_v (R_t − V(s_t; θ))²  −  β H(π(s_t; θ))
//! ```
//!
//! with `Â_t` and `R_t = Â_t + V(s_t)` held constant. With λ = 1 they are the paper's `R − V` and `R`.
//!
//! The backward view hands each `δ_t = r_t + γ V(s_{t+1}) − V(s_t)`, held constant, back along traces of
//! `log π` and `V` that fade by `γλ`, see `traces`. Since `Â_t = Σ_k (γλ)^k δ_{t+k}` its gradient
//! is the same.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{A3cSettings, View};

use super::{
    Behaviour, Decision, Likelihood, Loss, Method, MethodError, Policy, Setting, advantages,
    constant, reduce, traces,
};
use crate::model::{Head, Network, Outputs, Parameters, Role};
use crate::segment::{Observed, OpenValues, Segment, to_vec};

/// The method with its network: the policy's heads, then the value's.
#[derive(Debug)]
pub struct A3c {
    settings: A3cSettings,
    policy: Policy,
    network: Network,
    rng: ChaCha8Rng,
}

impl A3c {
    /// # Errors
    /// Where the model cannot take the observations.
    pub fn new(settings: &A3cSettings, setting: Setting<'_>) -> Result<Self, MethodError> {
        let policy = Policy::for_actions(&setting.spaces.action);
        let mut heads = policy.heads();
        heads.push(Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
            role: Role::Judges,
        });
        let model = &setting.experiment.model;
        Ok(Self {
            settings: settings.clone(),
            network: Network::new(model, &setting.spaces.observation, &heads)?,
            policy,
            rng: setting.rng,
        })
    }

    /// The policy's statistics, and values `[B]`.
    fn split(&self, outputs: Outputs, masks: Option<&Tensor>) -> (Vec<Tensor>, Tensor) {
        let mut heads = outputs.heads;
        let value = heads.pop().map(|value| value.squeeze_dim(-1));
        (self.policy.shut(heads, masks), value.unwrap_or_default())
    }

    /// Values behind the segment's open ends; `memory` is the state behind them.
    fn open_values(
        &self,
        parameters: &Parameters,
        segment: &Segment,
        memory: &Tensor,
    ) -> OpenValues {
        let open = segment.open();
        let outputs = tch::no_grad(|| {
            self.network
                .step(parameters, &open.observations, &memory.detach())
        });
        segment.open_values(&self.split(outputs, None).1)
    }

    /// What is held constant, from values `[B]` of the segment's states.
    fn targets(&self, v_t: &[f32], segment: &Segment, open: &OpenValues) -> Targets {
        let A3cSettings {
            discount,
            gae_lambda,
            normalize_advantages,
            ..
        } = self.settings;
        let estimate = |lambda| {
            let Segment { rewards, ends, .. } = segment;
            advantages(rewards, v_t, ends, open, discount, lambda)
        };
        let mut a_t = estimate(gae_lambda);
        let r_t = a_t.iter().zip(v_t).map(|(a, v)| a + v).collect();
        if normalize_advantages {
            normalize(&mut a_t);
        }
        Targets {
            a_t,
            r_t,
            delta_t: estimate(0.0),
        }
    }

    /// The loss of the policy's statistics and values `[B]` of the segment's states.
    fn descend(
        &self,
        outputs: &[Tensor],
        v_t: &Tensor,
        segment: &Segment,
        targets: &Targets,
    ) -> Loss {
        let Likelihood {
            log_probability,
            entropy,
        } = self.policy.likelihood(outputs, &segment.actions);
        let policy_loss = -&log_probability * constant(&targets.a_t, v_t.kind());
        let value_loss = (constant(&targets.r_t, v_t.kind()) - v_t).square();
        let A3cSettings {
            value_weight,
            entropy_weight,
            reduction,
            view,
            ..
        } = self.settings;
        let errors = match view {
            View::Forward => &policy_loss + &value_loss * value_weight,
            View::Backward => {
                // ∇(R − V)² = −2 (R − V) ∇V
                let traced = log_probability + v_t * (2.0 * value_weight);
                let decay = f64::from(self.settings.discount * self.settings.gae_lambda);
                let z_t = traces::accumulate(&traced, &segment.ends, segment.environments, decay);
                -z_t * constant(&targets.delta_t, v_t.kind())
            }
        };
        let per_row = errors - &entropy * entropy_weight;
        let mean = |term: Tensor| term.detach().mean(None::<Kind>);
        Loss {
            total: reduce(&per_row, reduction),
            terms: vec![
                ("policy", mean(policy_loss)),
                ("value", mean(value_loss)),
                ("entropy", mean(entropy)),
            ],
        }
    }
}

impl Method for A3c {
    fn network(&self) -> &Network {
        &self.network
    }

    fn t_max(&self) -> usize {
        self.settings.t_max
    }

    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        let outputs = tch::no_grad(|| self.network.step(online, &observed.observations, memory));
        let memory = outputs.memory.shallow_clone();
        let (outputs, _) = self.split(outputs, observed.masks.as_ref());
        Decision {
            actions: match behaviour {
                Behaviour::Evaluate { greedy: true } => self.policy.mode(&outputs),
                _ => self.policy.sample(&outputs, &mut self.rng),
            },
            behaviour: Vec::new(),
            memory,
        }
    }

    fn loss(
        &mut self,
        online: &Parameters,
        _: Option<&Parameters>,
        segment: &Segment,
        _: usize,
    ) -> Option<Loss> {
        let outputs = self.network.segment(online, segment);
        let open = self.open_values(online, segment, &outputs.open_memory());
        let masks = segment.observations.masks();
        let (outputs, v_t) = self.split(outputs, masks.as_ref());
        let targets = self.targets(&to_vec(&v_t), segment, &open);
        Some(self.descend(&outputs, &v_t, segment, &targets))
    }
}

/// What the loss holds constant.
struct Targets {
    /// `Â_t`, `[B]`.
    a_t: Vec<f32>,
    /// `R_t`, `[B]`.
    r_t: Vec<f32>,
    /// `δ_t`, `[B]`.
    delta_t: Vec<f32>,
}

/// Mean 0, standard deviation 1.
fn normalize(values: &mut [f32]) {
    let n = values.len() as f32;
    let mean = values.iter().sum::<f32>() / n;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
    values
        .iter_mut()
        .for_each(|v| *v = (*v - mean) / (deviation + 1e-8));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{
        Game, assert_close, assert_ends_separate, assert_gradient, doubles, loss_and_gradient,
        segment_with, setting, spaces,
    };
    use troop_common::experiment::{Experiment, ModelSettings, Reduction};
    use troop_common::spaces::Spaces;

    fn a3c(settings: &A3cSettings, change: impl FnOnce(&mut ModelSettings), of: &Spaces) -> A3c {
        let mut experiment = Experiment::default();
        experiment.model.hidden = vec![5];
        change(&mut experiment.model);
        A3c::new(settings, setting(&experiment, of)).unwrap()
    }

    type Change = fn(&mut ModelSettings);

    /// Every kind of actions on every kind of network.
    fn kinds() -> Vec<(Spaces, Change)> {
        let changes: [Change; 4] = [
            |_| {},
            |model| model.separate_value = true,
            |model| model.lstm = Some(3),
            |model| {
                model.lstm = Some(2);
                model.separate_value = true;
            },
        ];
        let actions = || {
            [
                spaces::discrete(3),
                spaces::multi_discrete(&[2, 3]),
                spaces::continuous(2),
            ]
        };
        let with = |change: &Change| actions().map(|spaces| (spaces, *change));
        changes.iter().flat_map(with).collect()
    }

    /// The loss with what it holds constant.
    fn held(method: &A3c, parameters: &Parameters, segment: &Segment, targets: &Targets) -> Tensor {
        let outputs = method.network.segment(parameters, segment);
        let masks = segment.observations.masks();
        let (outputs, v_t) = method.split(outputs, masks.as_ref());
        method.descend(&outputs, &v_t, segment, targets).total
    }

    fn targets(method: &A3c, parameters: &Parameters, segment: &Segment) -> Targets {
        let outputs = method.network.segment(parameters, segment);
        let open = method.open_values(parameters, segment, &outputs.open_memory());
        method.targets(&to_vec(&method.split(outputs, None).1), segment, &open)
    }

    #[test]
    fn the_full_loss_passes_finite_differences() {
        for (index, (spaces, change)) in kinds().iter().enumerate() {
            let settings = A3cSettings {
                reduction: [Reduction::Sum, Reduction::Mean][index % 2],
                entropy_weight: 0.1,
                gae_lambda: 0.9,
                ..A3cSettings::default()
            };
            for masked in [false, true] {
                let mut method = a3c(&settings, change, spaces);
                let masked = masked && spaces.action.choices() > 0;
                let segment = segment_with(spaces, method.network.memory_len(), masked, 7);
                let parameters = doubles(&method.network, 3);
                let targets = targets(&method, &parameters, &segment);
                assert_gradient(&parameters, |parameters| {
                    held(&method, parameters, &segment, &targets)
                });
                let held = held(&method, &parameters, &segment, &targets);
                let whole = method.loss(&parameters, None, &segment, 0).unwrap().total;
                assert_eq!(whole.double_value(&[]), held.double_value(&[]));
            }
        }
    }

    #[test]
    fn ends_inside_a_segment_are_the_same_as_separate_episodes() {
        let settings = A3cSettings {
            reduction: Reduction::Sum,
            ..A3cSettings::default()
        };
        for (spaces, change) in kinds() {
            assert_ends_separate(&mut a3c(&settings, change, &spaces), &spaces);
        }
    }

    #[test]
    fn the_backward_view_has_the_forward_views_gradient() {
        for (index, (spaces, change)) in kinds().iter().enumerate() {
            let gradients = [View::Forward, View::Backward].map(|view| {
                let settings = A3cSettings {
                    view,
                    gae_lambda: [1.0, 0.8][index % 2],
                    ..A3cSettings::default()
                };
                let mut method = a3c(&settings, change, spaces);
                let segment = segment_with(spaces, method.network.memory_len(), false, 7);
                let online = doubles(&method.network, 3);
                loss_and_gradient(&mut method, &online, &online, &segment).1
            });
            assert_close(&gradients[1], &gradients[0], 1e-5);
            assert!(gradients[0].iter().any(|gradient| gradient.abs() > 1e-2));
        }
    }

    /// What it remembers while it acts is what the loss unrolls, whatever ends in between.
    #[test]
    fn acting_and_learning_see_the_same_memory() {
        let spaces = spaces::discrete(3);
        let method = a3c(
            &A3cSettings::default(),
            |model| model.lstm = Some(3),
            &spaces,
        );
        let segment = segment_with(&spaces, method.network.memory_len(), false, 7);
        let mut parameters = method.network.parameters();
        parameters.load(&method.network.layout().initialize(3));
        let whole = method.network.segment(&parameters, &segment);
        let mut memory = segment.initial_memory.clone();
        for (t, ends) in (0..).zip(segment.ends.chunks_exact(3)) {
            let observations = segment.observations.tensor().narrow(0, t * 3, 3);
            let step = method
                .network
                .step(&parameters, &observations, &memory.tensor());
            let expected = whole.heads[0].narrow(0, t * 3, 3);
            assert!(
                step.heads[0].allclose(&expected, 1e-6, 1e-6, false),
                "step {t}"
            );
            memory.carry(&step.memory, ends);
        }
        assert!(memory.tensor().allclose(&whole.memory, 1e-6, 1e-6, false));
    }

    /// V of the uniform policy on M1 is (7.25, 7.75), whatever λ and the segment's length.
    #[test]
    fn values_of_the_uniform_policy_on_m1() {
        for (t_max, gae_lambda) in [(1, 1.0), (5, 1.0), (5, 0.5), (5, 0.0)] {
            let settings = A3cSettings {
                t_max,
                gae_lambda,
                discount: 0.9,
                ..A3cSettings::default()
            };
            let mut method = a3c(&settings, |model| model.hidden.clear(), &Game::spaces());
            let policy = method
                .policy
                .heads()
                .iter()
                .map(|head| head.outputs * 3)
                .sum::<usize>();
            let mut game = Game::new(32);
            // Only the value head learns, so that the policy stays uniform.
            let learned = game.learn(&mut method, 1200, 0.3, |gradient| {
                gradient[..policy].fill(0.0);
            });
            let v = |state: usize| learned[policy + state] + learned[policy + 2];
            assert!(
                (v(0) - 7.25).abs() < 0.25 && (v(1) - 7.75).abs() < 0.25,
                "{} {} ",
                v(0),
                v(1)
            );
        }
    }
}
