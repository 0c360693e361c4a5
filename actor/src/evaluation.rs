//! Episodes acted with fixed parameters.

use std::ops::ControlFlow;
use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::proto::v1::Episode;

use crate::environment::{self, EnvironmentError, VectorEnvironment};
use crate::episodes::EpisodeStatistics;
use crate::method::{self, Behaviour, Decision, MethodError, Purpose, Setting};
use crate::nn::{self, Model, ModelBackend, Network, NormalizingModel};
use crate::normalization::{Normalization, NormalizationError};
use crate::reward_shaping::RewardShaping;

/// What a run has learned, as its checkpoint holds it.
#[derive(Clone, Copy, Debug)]
pub struct Learned<'a> {
    /// Names, shapes and order of the parameters.
    pub layout: &'a Layout,
    /// The flat vector.
    pub parameters: &'a [f32],
    /// Moments of the run's observations, where they are normalised.
    pub observations: Option<&'a Moments>,
}

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Its environment failed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The method or the model cannot take the environment's spaces.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Its observations cannot be normalised.
    #[error(transparent)]
    Normalization(#[from] NormalizationError),
    /// They are to be normalised by nobody knows what.
    #[error(
        "environment.normalize_observations is set, but the checkpoint has no moments of observations: \
         evaluate with what the run was trained with"
    )]
    NoMoments,
    /// The parameters are those of another network.
    #[error("the checkpoint's layout is {found}; the experiment's network has {expected}")]
    WrongLayout {
        /// The network's fingerprint.
        expected: String,
        /// The checkpoint's fingerprint.
        found: String,
    },
}

/// What is to be acted.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whole episodes.
    pub episodes: usize,
    /// Env steps of all environments together after which it ends, whatever has been acted.
    pub max_env_steps: u64,
    /// Take the policy's likeliest action instead of drawing one.
    pub greedy: bool,
    /// Where every random number comes from.
    pub seed: u64,
}

/// What has been acted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Acted {
    /// Whole episodes, the first of each environment's equal share, so that short episodes do not count
    /// more often.
    pub episodes: Vec<Episode>,
    /// What the episodes have come to that had not ended at the end.
    pub unfinished: Vec<Episode>,
    /// Env steps of all environments together.
    pub env_steps: u64,
    /// How often the environments' host failed and was started again. Their episodes were dropped.
    pub restarts: u64,
    /// Why there are fewer episodes than planned, where there are.
    pub stopped: Option<Stopped>,
}

/// Why an evaluation ended before its episodes did.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// The episodes take longer than they were given.
    #[error("the limit of {0} env steps was reached (--max-env-steps)")]
    StepLimit(u64),
    /// The environment cannot go on.
    #[error("{0}")]
    Environment(String),
    /// Nobody waits for it any more.
    #[error("it was broken off")]
    BrokenOff,
}

/// How far an evaluation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EvaluationProgress {
    /// Whole episodes that count.
    pub episodes: usize,
    /// Env steps of all environments together.
    pub env_steps: u64,
}

/// Acts whole episodes with what was learned, and tells `progress` after each step. An environment
/// that fails is started again as often as in training; what is there by then counts.
///
/// # Errors
/// If the environment cannot begin or the parameters are another network's.
pub fn evaluate(
    experiment: &Experiment,
    learned: Learned<'_>,
    plan: &Plan,
    progress: &mut dyn FnMut(EvaluationProgress),
) -> Result<Acted, EvaluationError> {
    nn::use_one_thread();
    let mut player = Player::new(experiment, plan.episodes, plan.seed)?;
    let (expected, found) = (player.layout().fingerprint(), learned.layout.fingerprint());
    if expected != found {
        return Err(EvaluationError::WrongLayout { expected, found });
    }
    player.load(learned.parameters, learned.observations)?;
    Ok(player.play(plan, &mut |now| {
        progress(now);
        ControlFlow::Continue(())
    }))
}

/// Who acts whole episodes: environments, a policy and a network of its own.
pub struct Player {
    environment: Box<dyn VectorEnvironment>,
    behaviour: Box<dyn Behaviour>,
    rng: ChaCha8Rng,
    network: Arc<Network>,
    online: NormalizingModel,
    /// None if observations are used as they are.
    normalization: Option<Normalization>,
    newest: ObservationBuffer,
    state: RecurrentState,
    /// Rewards as they are learnt from, which networks may take of the step before.
    rewards: RewardShaping,
}

impl Player {
    /// For evaluations of so many episodes.
    ///
    /// # Errors
    /// If the environment cannot begin, or the method cannot act in it.
    pub fn new(
        experiment: &Experiment,
        episodes: usize,
        seed: u64,
    ) -> Result<Self, EvaluationError> {
        let mut settings = experiment.environment.clone();
        settings.envs_per_worker = settings.envs_per_worker.clamp(1, episodes.max(1));
        settings.step_sleep_us = 0;
        let environment = environment::make(&settings)?;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let parts = method::make(&mut Setting {
            experiment,
            spaces: environment.spaces(),
            worker_index: 0,
            rng: &mut rng,
        })?;
        let network = parts.network;
        let online = ModelBackend::of(&experiment.model)
            .map_err(MethodError::from)?
            .model(&network);
        let space = &environment.spaces().observation;
        Ok(Self {
            online: NormalizingModel::new(online),
            normalization: Normalization::new(&settings, space)?,
            rewards: RewardShaping::new(&settings),
            newest: ObservationBuffer::new(space),
            state: RecurrentState::new(environment.count(), network.state_len()),
            environment,
            behaviour: parts.behaviour,
            network,
            rng,
        })
    }

    /// Names, shapes and order of the parameters that it acts with.
    pub fn layout(&self) -> &Layout {
        self.network.layout()
    }

    /// Takes the parameters that it acts with from now on, and the moments that observations are normalised by.
    ///
    /// # Errors
    /// If there are no moments where they are needed, or those of something else.
    pub fn load(
        &mut self,
        parameters: &[f32],
        observations: Option<&Moments>,
    ) -> Result<(), EvaluationError> {
        self.online.load(parameters);
        if let Some(normalization) = &mut self.normalization {
            normalization.load(observations.ok_or(EvaluationError::NoMoments)?)?;
            self.online.normalize_by(normalization);
        }
        Ok(())
    }

    /// Acts whole episodes, until `progress` breaks off.
    pub fn play(
        &mut self,
        plan: &Plan,
        progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
    ) -> Acted {
        let count = self.environment.count();
        let mut play = Play {
            plan,
            statistics: vec![EpisodeStatistics::new(1); count],
            finished: vec![Vec::new(); count],
            share: plan.episodes.div_ceil(count),
            env_steps: 0,
            restarts: 0,
            player: self,
        };
        let stopped = play.finish(progress).err();
        play.acted(stopped)
    }
}

/// An evaluation that goes on.
struct Play<'a> {
    plan: &'a Plan,
    player: &'a mut Player,
    /// Of each environment.
    statistics: Vec<EpisodeStatistics>,
    finished: Vec<Vec<Episode>>,
    /// Episodes of each environment that count.
    share: usize,
    env_steps: u64,
    restarts: u64,
}

impl Play<'_> {
    fn finish(
        &mut self,
        progress: &mut dyn FnMut(EvaluationProgress) -> ControlFlow<()>,
    ) -> Result<(), Stopped> {
        self.reset()?;
        while self.finished.iter().any(|of_one| of_one.len() < self.share) {
            if self.env_steps >= self.plan.max_env_steps {
                return Err(Stopped::StepLimit(self.plan.max_env_steps));
            }
            match self.step() {
                Ok(()) => {}
                Err(EnvironmentError::Restarted(why)) => self.begin_anew(&why)?,
                Err(EnvironmentError::Fatal(why)) => return Err(Stopped::Environment(why)),
            }
            if progress(self.progress()).is_break() {
                return Err(Stopped::BrokenOff);
            }
        }
        Ok(())
    }

    /// New episodes everywhere; after a failure from other seeds, so that it need not come again.
    fn reset(&mut self) -> Result<(), Stopped> {
        loop {
            let stride = self.restarts.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.player.state.restart();
            for statistics in &mut self.statistics {
                statistics.restart();
            }
            let seed = self.plan.seed.wrapping_add(stride);
            match self.player.environment.reset(seed) {
                Ok(()) => return Ok(()),
                Err(EnvironmentError::Restarted(why)) => self.count_restart(&why),
                Err(EnvironmentError::Fatal(why)) => return Err(Stopped::Environment(why)),
            }
        }
    }

    /// After a failure of the environments.
    fn begin_anew(&mut self, why: &str) -> Result<(), Stopped> {
        self.count_restart(why);
        self.reset()
    }

    fn count_restart(&mut self, why: &str) {
        self.restarts += 1;
        let restarts = self.restarts;
        tracing::warn!(restarts, why, "the environments begin anew");
    }

    fn step(&mut self) -> Result<(), EnvironmentError> {
        let player = &mut *self.player;
        let step = player.environment.last();
        player.newest.clear();
        player.newest.extend(step.observations, step.masks);
        let purpose = Purpose::Evaluate {
            greedy: self.plan.greedy,
        };
        let decision = player.behaviour.act(
            &mut player.online,
            &player.newest,
            &player.state,
            purpose,
            &mut player.rng,
        );
        player.environment.step(&decision.actions)?;
        self.record(decision);
        Ok(())
    }

    /// Counts what a step led to.
    fn record(&mut self, mut decision: Decision) {
        let player = &mut *self.player;
        let step = player.environment.last();
        let learnt_from = |raw: &f32| player.rewards.of(*raw);
        let rewards: Vec<f32> = step.rewards.iter().map(learnt_from).collect();
        let previous = player.network.previous_step();
        previous.note(&decision.actions, &rewards, &mut decision.state);
        player.state.carry(decision.state, step.ends);
        self.env_steps += step.ends.len() as u64;
        let of_each = self.statistics.iter_mut().zip(&mut self.finished);
        for (e, (statistics, finished)) in of_each.enumerate() {
            statistics.record(&step.rewards[e..=e], &step.ends[e..=e]);
            finished.append(&mut statistics.take_finished());
        }
    }

    fn progress(&self) -> EvaluationProgress {
        let counted = self
            .finished
            .iter()
            .map(|of_one| of_one.len().min(self.share));
        EvaluationProgress {
            episodes: counted.sum::<usize>().min(self.plan.episodes),
            env_steps: self.env_steps,
        }
    }

    fn acted(self, stopped: Option<Stopped>) -> Acted {
        let share = self.share;
        let counted = self
            .finished
            .into_iter()
            .flat_map(|of_one| of_one.into_iter().take(share));
        let running = self.statistics.iter().flat_map(EpisodeStatistics::running);
        let unfinished = running.filter(|episode| stopped.is_some() && episode.length > 0);
        Acted {
            episodes: counted.take(self.plan.episodes).collect(),
            unfinished: unfinished.copied().collect(),
            env_steps: self.env_steps,
            restarts: self.restarts,
            stopped,
        }
    }
}
