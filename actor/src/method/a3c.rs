//! Asynchronous advantage actor-critic (Mnih et al. 2016, algorithm S3), over `E` environments at once.
//!
//! Descends, per row,
//!
//! ```text
//! −log π(a_t|s_t; θ) Â_t  +  c_v (R_t − V(s_t; θ))²  −  β H(π(s_t; θ))
//! ```
//!
//! with `Â_t` and `R_t = Â_t + V(s_t)` held constant. With λ = 1 they are the paper's `R − V` and `R`.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{A3cSettings, ModelSettings};
use troop_common::spaces::Spaces;

use super::{
    Behaviour, Likelihood, Loss, Method, MethodError, Policy, advantages, constant, reduce,
};
use crate::environment::Actions;
use crate::model::{Head, Network, Parameters};
use crate::segment::{Segment, to_vec};

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
    pub fn new(
        settings: &A3cSettings,
        model: &ModelSettings,
        spaces: &Spaces,
        rng: ChaCha8Rng,
    ) -> Result<Self, MethodError> {
        let policy = Policy::for_actions(&spaces.action);
        let mut heads = policy.heads();
        heads.push(Head {
            name: "value",
            outputs: 1,
            gain: 1.0,
        });
        let network = Network::new(model, &spaces.observation, &heads)?;
        Ok(Self {
            settings: settings.clone(),
            policy,
            network,
            rng,
        })
    }

    /// Statistics of the policy, and values `[B]`.
    fn forward(&self, parameters: &Parameters, observations: &Tensor) -> (Vec<Tensor>, Tensor) {
        let mut outputs = self.network.forward(parameters, observations);
        let value = outputs.pop().map(|value| value.squeeze_dim(-1));
        (outputs, value.unwrap_or_default())
    }

    /// What is held constant, from values `[B]` of the segment's states.
    fn targets(&self, parameters: &Parameters, segment: &Segment, v_t: &[f32]) -> Targets {
        let (_, values) = tch::no_grad(|| self.forward(parameters, &segment.open_observations()));
        let open = segment.open_values(&values);
        let A3cSettings {
            discount,
            gae_lambda,
            normalize_advantages,
            ..
        } = self.settings;
        let mut a_t = advantages(
            &segment.rewards,
            v_t,
            &segment.ends,
            &open,
            discount,
            gae_lambda,
        );
        let r_t = a_t.iter().zip(v_t).map(|(a, v)| a + v).collect();
        if normalize_advantages {
            normalize(&mut a_t);
        }
        Targets { a_t, r_t }
    }

    /// The loss of statistics and values `[B]` of the segment's states.
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
        let policy_loss = -log_probability * constant(&targets.a_t, v_t.kind());
        let value_loss = (constant(&targets.r_t, v_t.kind()) - v_t).square();
        let A3cSettings {
            value_weight,
            entropy_weight,
            reduction,
            ..
        } = self.settings;
        let per_row = &policy_loss + &value_loss * value_weight - &entropy * entropy_weight;
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

    fn needs_target(&self) -> bool {
        false
    }

    fn no_actions(&self) -> Actions {
        self.policy.no_actions()
    }

    fn act(
        &mut self,
        parameters: &Parameters,
        observations: &Tensor,
        behaviour: Behaviour,
    ) -> Actions {
        let (outputs, _) = tch::no_grad(|| self.forward(parameters, observations));
        match behaviour {
            Behaviour::Evaluate { greedy: true } => self.policy.mode(&outputs),
            _ => self.policy.sample(&outputs, &mut self.rng),
        }
    }

    fn loss(&self, online: &Parameters, _: Option<&Parameters>, segment: &Segment) -> Loss {
        let (outputs, v_t) = self.forward(online, &segment.observations.tensor());
        let targets = self.targets(online, segment, &to_vec(&v_t));
        self.descend(&outputs, &v_t, segment, &targets)
    }
}

/// What the loss holds constant.
struct Targets {
    /// `Â_t`, `[B]`.
    a_t: Vec<f32>,
    /// `R_t`, `[B]`.
    r_t: Vec<f32>,
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
    use crate::method::testing::{Game, assert_gradient, random_segment, seeded, spaces};
    use troop_common::experiment::Reduction;

    fn a3c(settings: &A3cSettings, hidden: &[usize], spaces: &Spaces) -> A3c {
        let model = ModelSettings {
            hidden: hidden.to_vec(),
            ..ModelSettings::default()
        };
        A3c::new(settings, &model, spaces, seeded(1)).unwrap()
    }

    #[test]
    fn the_full_loss_passes_finite_differences() {
        for actions in [spaces::discrete(3), spaces::continuous(2)] {
            for reduction in [Reduction::Sum, Reduction::Mean] {
                let settings = A3cSettings {
                    reduction,
                    entropy_weight: 0.1,
                    gae_lambda: 0.9,
                    ..A3cSettings::default()
                };
                let method = a3c(&settings, &[5], &actions);
                let segment = random_segment(&actions, 7);
                let parameters = seeded_parameters(&method);
                let (_, v_t) = method.forward(&parameters, &segment.observations.tensor());
                let targets = method.targets(&parameters, &segment, &to_vec(&v_t));
                assert_gradient(&parameters, |parameters| {
                    let (outputs, v_t) = method.forward(parameters, &segment.observations.tensor());
                    method.descend(&outputs, &v_t, &segment, &targets).total
                });
                let whole = method.loss(&parameters, None, &segment).total;
                let held = {
                    let (outputs, v_t) =
                        method.forward(&parameters, &segment.observations.tensor());
                    method.descend(&outputs, &v_t, &segment, &targets).total
                };
                assert_eq!(whole.double_value(&[]), held.double_value(&[]));
            }
        }
    }

    fn seeded_parameters(method: &A3c) -> Parameters {
        let mut parameters = Parameters::new(method.network.layout(), Kind::Double);
        parameters.load(&method.network.layout().initialize(3));
        parameters
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
            let mut method = a3c(&settings, &[], &Game::spaces());
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
