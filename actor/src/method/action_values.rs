//! Networks of action values `Q(s, ·)`, and how workers act by them.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};
use troop_common::spaces::ActionSpace;

use super::policy::{argmax, masked};
use super::{Behaviour, Decision, EpsilonGreedy, MethodError, Setting};
use crate::environment::Actions;
use crate::model::{Head, Network, Outputs, Parameters, Role};
use crate::segment::{Observed, Segment, to_vec};

/// A network of `Q(s, ·)`; with `model.dueling` it is `V + A − mean A` (Wang et al. 2016, eq. 9).
#[derive(Debug)]
pub struct ActionValues {
    network: Network,
    actions: usize,
}

/// Values of a segment.
#[derive(Debug)]
pub struct SegmentValues {
    /// `Q(s_t, ·)`, `[T·E, A]`.
    pub q_t: Tensor,
    /// Recurrent state behind each of [`Segment::open`]'s observations, `[E + F, S]`.
    pub open_memory: Tensor,
}

impl ActionValues {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(setting: &Setting<'_>) -> Result<Self, MethodError> {
        let ActionSpace::Discrete { n } = setting.spaces.action else {
            return Err(MethodError::NeedsDiscreteActions {
                method: setting.experiment.method.name(),
                found: format!("{:?}", setting.spaces.action),
            });
        };
        let model = &setting.experiment.model;
        let head = |name, outputs| Head {
            name,
            outputs,
            gain: 1.0,
            role: Role::Acts,
        };
        let heads = match model.dueling {
            true => vec![head("advantage", n), head("value", 1)],
            false => vec![head("q", n)],
        };
        let network = Network::new(model, &setting.spaces.observation, &heads)?;
        Ok(Self {
            network,
            actions: n,
        })
    }

    /// The network behind them.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Number of actions, `A`.
    pub fn actions(&self) -> usize {
        self.actions
    }

    /// `Q(s, ·)` `[E, A]` of one step from the recurrent state `[E, S]`, and the state after it.
    pub fn step(
        &self,
        parameters: &Parameters,
        observations: &Tensor,
        memory: &Tensor,
    ) -> (Tensor, Tensor) {
        let outputs = self.network.step(parameters, observations, memory);
        (values(&outputs), outputs.memory)
    }

    /// `Q(s_t, ·)` of all of a segment's steps.
    pub fn segment(&self, parameters: &Parameters, segment: &Segment) -> SegmentValues {
        let outputs = self.network.segment(parameters, segment);
        SegmentValues {
            q_t: values(&outputs),
            open_memory: outputs.open_memory(),
        }
    }

    /// `Q(s, ·)` of a segment's open observations by the same parameters, `[E + F, A]`, a constant.
    /// `open_memory` is what [`segment`](Self::segment) gave; without a memory any will do.
    pub fn open(&self, parameters: &Parameters, open: &Observed, open_memory: &Tensor) -> Tensor {
        tch::no_grad(|| self.step(parameters, &open.observations, open_memory).0)
    }

    /// Recurrent state behind a segment's open observations by these parameters, `[E + F, S]`, for
    /// who needs nothing else of them: costs nothing without an LSTM.
    pub fn open_memory(&self, parameters: &Parameters, segment: &Segment) -> Tensor {
        if self.network.memory_len() == 0 {
            let rows = segment.environments + segment.truncated_observations.len();
            return crate::memory::Memory::new(rows, 0).tensor();
        }
        tch::no_grad(|| self.segment(parameters, segment).open_memory)
    }
}

fn values(outputs: &Outputs) -> Tensor {
    match &outputs.heads[..] {
        [advantage, value] => {
            value + advantage - advantage.mean_dim([-1_i64].as_slice(), true, None::<Kind>)
        }
        heads => heads[0].shallow_clone(),
    }
}

/// `max_a Q(s, a)` over the open actions, `[B]`.
pub(super) fn largest(q: &Tensor, masks: Option<&Tensor>) -> Tensor {
    masked(q, masks).amax([-1_i64].as_slice(), false)
}

/// `Q(s, a)` of one action a row, `[B]`.
pub(super) fn taken(q: &Tensor, actions: &[i64]) -> Tensor {
    let index = Tensor::from_slice(actions).unsqueeze(-1);
    q.gather(-1, &index, false).squeeze_dim(-1)
}

/// The segment's actions, `[T·E]`.
///
/// # Panics
/// Where they are not discrete.
pub(super) fn discrete(segment: &Segment) -> &[i64] {
    match &segment.actions {
        Actions::Discrete(actions) => actions,
        other => panic!("expected discrete actions, found {other:?}"),
    }
}

/// Acts by action values, ε-greedily where it is to learn.
#[derive(Debug)]
pub struct EpsilonGreedyActor {
    /// What it acts by.
    pub values: ActionValues,
    epsilon: EpsilonGreedy,
    rng: ChaCha8Rng,
}

impl EpsilonGreedyActor {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(mut setting: Setting<'_>) -> Result<Self, MethodError> {
        let experiment = setting.experiment;
        Ok(Self {
            values: ActionValues::new(&setting)?,
            epsilon: EpsilonGreedy::of_worker(
                &experiment.exploration,
                experiment.actor.workers,
                setting.worker_index,
                &mut setting.rng,
            ),
            rng: setting.rng,
        })
    }

    /// One action for each environment.
    pub fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        let (q, memory) = tch::no_grad(|| self.values.step(online, &observed.observations, memory));
        Decision {
            actions: Actions::Discrete(self.choose(&q, observed, behaviour)),
            behaviour: Vec::new(),
            memory,
        }
    }

    /// An action for each row of `q` `[B, A]`.
    pub fn choose(&mut self, q: &Tensor, observed: &Observed, behaviour: Behaviour) -> Vec<i64> {
        let mut actions = argmax(&masked(q, observed.masks.as_ref()));
        if let Behaviour::Explore { frames } = behaviour {
            let masks = observed.masks.as_ref().map(|masks| {
                let open = |value: &f32| *value != 0.0;
                to_vec(masks).iter().map(open).collect::<Vec<bool>>()
            });
            self.epsilon.mix(
                &mut actions,
                self.values.actions(),
                masks.as_deref(),
                frames,
                &mut self.rng,
            );
        }
        actions
    }
}
