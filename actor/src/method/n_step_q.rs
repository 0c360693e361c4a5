//! Asynchronous n-step Q-learning (Mnih et al. 2016, algorithm S2), over `E` environments at once.
//!
//! Descends, per row, `(R_t − Q(s_t, a_t; θ))²`, with `R_t = r_t + γ R_{t+1}` held constant and
//! `R_T = max_a Q(s_T, a; θ⁻)`, 0 where `s_T` is terminal.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::experiment::{ExplorationSettings, ModelSettings, NStepQSettings};
use troop_common::spaces::{ActionSpace, Spaces};

use super::policy::argmax;
use super::{
    Behaviour, EpsilonGreedy, Loss, Method, MethodError, constant, n_step_returns, reduce,
};
use crate::environment::Actions;
use crate::model::{Head, Network, Parameters};
use crate::segment::Segment;

/// The method with its network: one head, `Q(s, ·)`.
#[derive(Debug)]
pub struct NStepQ {
    settings: NStepQSettings,
    epsilon: EpsilonGreedy,
    actions: usize,
    network: Network,
    rng: ChaCha8Rng,
}

impl NStepQ {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(
        settings: &NStepQSettings,
        model: &ModelSettings,
        exploration: &ExplorationSettings,
        spaces: &Spaces,
        mut rng: ChaCha8Rng,
    ) -> Result<Self, MethodError> {
        let ActionSpace::Discrete { n } = spaces.action else {
            let found = format!("{:?}", spaces.action);
            return Err(MethodError::NeedsDiscreteActions {
                method: "n_step_q",
                found,
            });
        };
        let heads = [Head {
            name: "q",
            outputs: n,
            gain: 1.0,
        }];
        Ok(Self {
            settings: settings.clone(),
            epsilon: EpsilonGreedy::draw(exploration, &mut rng),
            actions: n,
            network: Network::new(model, &spaces.observation, &heads)?,
            rng,
        })
    }

    /// `Q(s, ·)`, `[B, A]`.
    fn q(&self, parameters: &Parameters, observations: &Tensor) -> Tensor {
        self.network.forward(parameters, observations).remove(0)
    }
}

impl Method for NStepQ {
    fn network(&self) -> &Network {
        &self.network
    }

    fn t_max(&self) -> usize {
        self.settings.t_max
    }

    fn needs_target(&self) -> bool {
        true
    }

    fn no_actions(&self) -> Actions {
        Actions::Discrete(Vec::new())
    }

    fn act(
        &mut self,
        parameters: &Parameters,
        observations: &Tensor,
        behaviour: Behaviour,
    ) -> Actions {
        let mut actions = argmax(&tch::no_grad(|| self.q(parameters, observations)));
        if let Behaviour::Explore { frames } = behaviour {
            self.epsilon
                .mix(&mut actions, self.actions, frames, &mut self.rng);
        }
        Actions::Discrete(actions)
    }

    fn loss(&self, online: &Parameters, target: Option<&Parameters>, segment: &Segment) -> Loss {
        let Actions::Discrete(actions) = &segment.actions else {
            panic!("the segment's actions are of another kind than the method's")
        };
        let target = target.unwrap_or(online);
        let v_open = tch::no_grad(|| {
            self.q(target, &segment.open_observations())
                .amax([-1_i64].as_slice(), false)
        });
        let open = segment.open_values(&v_open);
        let r_t = n_step_returns(
            &segment.rewards,
            &segment.ends,
            &open,
            self.settings.discount,
        );
        let q_t = self.q(online, &segment.observations.tensor());
        let q_taken = q_t
            .gather(-1, &Tensor::from_slice(actions).unsqueeze(-1), false)
            .squeeze_dim(-1);
        let losses = (constant(&r_t, online.kind()) - &q_taken).square();
        Loss {
            total: reduce(&losses, self.settings.reduction),
            terms: vec![
                ("value", losses.detach().mean(None::<Kind>)),
                ("q", q_taken.detach().mean(None::<Kind>)),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::{Game, assert_gradient, random_segment, seeded, spaces};
    use troop_common::experiment::{EpsilonChoice, Reduction};

    fn method(settings: &NStepQSettings, hidden: &[usize], spaces: &Spaces) -> NStepQ {
        let model = ModelSettings {
            hidden: hidden.to_vec(),
            ..ModelSettings::default()
        };
        let always_random = ExplorationSettings {
            epsilon_initial: 1.0,
            epsilon_final: vec![EpsilonChoice {
                epsilon: 1.0,
                probability: 1.0,
            }],
            anneal_frames: 1,
        };
        NStepQ::new(settings, &model, &always_random, spaces, seeded(1)).unwrap()
    }

    #[test]
    fn the_full_loss_passes_finite_differences() {
        for reduction in [Reduction::Sum, Reduction::Mean] {
            let spaces = spaces::discrete(3);
            let method = method(
                &NStepQSettings {
                    reduction,
                    ..NStepQSettings::default()
                },
                &[5],
                &spaces,
            );
            let segment = random_segment(&spaces, 7);
            let load = |seed| {
                let mut parameters = Parameters::new(method.network.layout(), Kind::Double);
                parameters.load(&method.network.layout().initialize(seed));
                parameters
            };
            let target = load(9);
            assert_gradient(&load(3), |online| {
                method.loss(online, Some(&target), &segment).total
            });
        }
    }

    /// With one-step returns the behaviour does not matter: Q* of M1 is [9.9, 10; 11, 9.9].
    #[test]
    fn one_step_returns_find_the_optimal_q_of_m1() {
        let settings = NStepQSettings {
            t_max: 1,
            discount: 0.9,
            ..NStepQSettings::default()
        };
        let mut method = method(&settings, &[], &Game::spaces());
        let learned = Game::new(32).learn(&mut method, 2000, 0.5, |_| {});
        let q = |s: usize, a: usize| learned[a * 2 + s] + learned[4 + a];
        for (s, a, expected) in [(0, 0, 9.9), (0, 1, 10.0), (1, 0, 11.0), (1, 1, 9.9)] {
            assert!(
                (q(s, a) - expected).abs() < 0.02,
                "Q({s}, {a}) = {} for {expected}",
                q(s, a)
            );
        }
    }

    #[test]
    fn continuous_actions_are_refused() {
        let spaces = spaces::continuous(1);
        let made = NStepQ::new(
            &NStepQSettings::default(),
            &ModelSettings::default(),
            &ExplorationSettings::default(),
            &spaces,
            seeded(1),
        );
        assert!(matches!(
            made,
            Err(MethodError::NeedsDiscreteActions { .. })
        ));
    }
}
