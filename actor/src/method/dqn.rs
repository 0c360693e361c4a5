//! Deep Q-learning from a worker's own replay memory, with gradients for a parameter server: Gorila
//! (Nair et al. 2015) in its bundled mode.
//!
//! Per transition `i`, drawn with probability `P(i)`, descends `w_i · h(y_i − Q(s_i, a_i; θ))`, where
//! `y_i = R_i + γ^m max_a Q(s_{i+m}, a; θ⁻)` is held constant (`R_i` where the episode terminated) and `h` is half the square,
//! linear beyond ± `td_error_clip`. Double Q takes `Q(s_{i+m}, argmax_a Q(s_{i+m}, a; θ); θ⁻)` in place of the maximum
//! (van Hasselt et al. 2016, eq. 4); `w_i = (N·P(i))^−β / max w` (Schaul et al. 2016, §3.4).
//!
//! A gradient whose loss is an outlier is discarded before it is sent; the learner discards what is too stale.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, Reduction, Tensor};
use troop_common::experiment::DqnSettings;
use troop_common::spaces::ObservationSpace;

use super::action_values::{largest, taken};
use super::outliers::Outliers;
use super::policy::masked;
use super::{
    Behaviour, Decision, EpsilonGreedyActor, Loss, Method, MethodError, Setting, constant,
};
use crate::memory::Memory;
use crate::model::{Network, Parameters};
use crate::replay::available_memory::ReplayDemand;
use crate::replay::{Batch, ReplayShape, Transition, TransitionReplay, stack};
use crate::segment::{Observed, Segment, to_vec};

/// The method with its network of action values and what the worker remembers.
#[derive(Debug)]
pub struct Dqn {
    settings: DqnSettings,
    actor: EpsilonGreedyActor,
    observation: ObservationSpace,
    shape: ReplayShape,
    /// Made with the first segment: who only acts needs none.
    replay: Option<TransitionReplay>,
    outliers: Outliers,
    /// Gradients that the env steps so far have earned and that were not computed.
    due: f64,
    frames: u64,
    rng: ChaCha8Rng,
}

/// The loss of a batch.
struct BatchLoss {
    /// `mean_i w_i h(δ_i)`.
    total: Tensor,
    /// `h(δ_i)`, `[B]`.
    unweighted: Tensor,
    /// `Q(s_i, a_i; θ)`, `[B]`.
    q_taken: Tensor,
    /// `δ_i`, `[B]`.
    td_errors: Tensor,
}

impl Dqn {
    /// # Errors
    /// Where actions are not discrete or the model cannot take the observations.
    pub fn new(settings: &DqnSettings, mut setting: Setting<'_>) -> Result<Self, MethodError> {
        let environment = &setting.experiment.environment;
        let shape = ReplayShape {
            capacity: settings.replay_capacity_env_steps,
            stack: stack(environment),
            environments: environment.envs_per_worker,
            n_step: settings.n_step,
            discount: settings.discount,
            priority_exponent: settings.priority_exponent,
            priority_epsilon: settings.priority_epsilon,
        };
        let rng = ChaCha8Rng::from_rng(&mut setting.rng);
        Ok(Self {
            observation: setting.spaces.observation.clone(),
            shape,
            replay: None,
            outliers: Outliers::new(
                settings.outlier_deviations,
                settings.outlier_decay,
                settings.outlier_min_gradients,
            ),
            due: 0.0,
            frames: 0,
            rng,
            settings: settings.clone(),
            actor: EpsilonGreedyActor::new(setting)?,
        })
    }

    /// `Q(s, ·)`, `[B, A]`.
    fn q(&self, parameters: &Parameters, observations: &Tensor) -> Tensor {
        let no_memory = Memory::new(observations.size()[0] as usize, 0).tensor();
        let values = &self.actor.values;
        values.step(parameters, observations, &no_memory).0
    }

    /// What the value behind each transition is worth, `[B]`, by the target network.
    fn v_next(
        &self,
        replay: &TransitionReplay,
        online: &Parameters,
        target: &Parameters,
        batch: &[Transition],
    ) -> Tensor {
        let s_next = replay.next_observations(batch);
        let masks = replay.next_masks(batch);
        let q_next = self.q(target, &s_next);
        if !self.settings.double_q {
            return largest(&q_next, masks.as_ref());
        }
        let chosen = masked(&self.q(online, &s_next), masks.as_ref()).argmax(-1, true);
        q_next.gather(-1, &chosen, false).squeeze_dim(-1)
    }

    /// `y_i`, `[B]`, a constant.
    fn targets(
        &self,
        replay: &TransitionReplay,
        online: &Parameters,
        target: &Parameters,
        batch: &[Transition],
    ) -> Tensor {
        let v_next = tch::no_grad(|| self.v_next(replay, online, target, batch));
        let column = |of: fn(&Transition) -> f32| {
            let values: Vec<f32> = batch.iter().map(of).collect();
            constant(&values, online.kind())
        };
        let returns = column(|one| one.reward);
        let discounts = column(|one| one.discount);
        // 0 · ∞ would not be 0 where nothing comes behind.
        returns + (&discounts * v_next).masked_fill(&discounts.eq(0.0), 0.0)
    }

    fn batch_loss(
        &self,
        replay: &TransitionReplay,
        online: &Parameters,
        target: &Parameters,
        batch: &Batch,
    ) -> BatchLoss {
        let rows = &batch.transitions;
        let y = self.targets(replay, online, target, rows);
        let actions: Vec<i64> = rows.iter().map(|one| one.action).collect();
        let q_taken = taken(&self.q(online, &replay.observations(rows)), &actions);
        let unweighted = match self.settings.td_error_clip {
            Some(clip) => q_taken.huber_loss(&y, Reduction::None, clip),
            None => (&y - &q_taken).square() * 0.5,
        };
        let weights = constant(&batch.weights, online.kind());
        BatchLoss {
            total: (weights * &unweighted).mean(None::<Kind>),
            td_errors: y - q_taken.detach(),
            unweighted: unweighted.detach(),
            q_taken: q_taken.detach(),
        }
    }

    /// β at this point of the run.
    fn importance_exponent(&self) -> f64 {
        let settings = &self.settings;
        let done = self.frames as f64 / settings.importance_anneal_frames.max(1) as f64;
        let (first, last) = (
            settings.importance_exponent_initial,
            settings.importance_exponent_final,
        );
        first + done.min(1.0) * (last - first)
    }
}

impl Method for Dqn {
    fn network(&self) -> &Network {
        self.actor.values.network()
    }

    fn t_max(&self) -> usize {
        self.settings.t_max
    }

    fn needs_target(&self) -> bool {
        true
    }

    fn replay_demand(&self) -> Option<ReplayDemand> {
        Some(ReplayDemand {
            bytes_per_worker: TransitionReplay::bytes(&self.observation, &self.shape),
            capacity_key: "method.replay_capacity_env_steps",
            capacity: self.shape.capacity,
        })
    }

    fn act(
        &mut self,
        online: &Parameters,
        observed: &Observed,
        memory: &Tensor,
        behaviour: Behaviour,
    ) -> Decision {
        if let Behaviour::Explore { frames } = behaviour {
            self.frames = frames;
        }
        self.actor.act(online, observed, memory, behaviour)
    }

    fn interrupted(&mut self) {
        if let Some(replay) = &mut self.replay {
            replay.break_off();
        }
    }

    /// As many gradients as replay `replay_ratio` transitions for each of the segment's steps; none until
    /// there is enough to choose from.
    fn receive(&mut self, _: &Parameters, segment: &Segment) -> usize {
        let replay = self
            .replay
            .get_or_insert_with(|| TransitionReplay::new(&self.observation, &self.shape));
        replay.add(segment);
        if replay.env_steps() < self.settings.replay_start_env_steps || replay.is_empty() {
            return 0;
        }
        let replayed = segment.len() as f64 * self.settings.replay_ratio;
        self.due += replayed / self.settings.batch_size as f64;
        let gradients = self.due.floor();
        self.due -= gradients;
        gradients as usize
    }

    fn loss(
        &mut self,
        online: &Parameters,
        target: Option<&Parameters>,
        _: &Segment,
        _: usize,
    ) -> Option<Loss> {
        let beta = self.importance_exponent();
        let size = self.settings.batch_size;
        let replay = self.replay.as_ref()?;
        let batch = replay.sample(size, beta, &mut self.rng);
        let loss = self.batch_loss(replay, online, target.unwrap_or(online), &batch);
        self.replay
            .as_mut()?
            .update_priorities(&batch.transitions, &to_vec(&loss.td_errors));
        let absolute = loss.total.detach().abs().to_kind(Kind::Double);
        if !self.outliers.admits(absolute.double_value(&[])) {
            return None;
        }
        Some(Loss {
            total: loss.total,
            terms: vec![
                ("value", loss.unweighted.mean(None::<Kind>)),
                ("q", loss.q_taken.mean(None::<Kind>)),
            ],
        })
    }
}

#[cfg(test)]
#[path = "dqn_tests.rs"]
mod tests;
