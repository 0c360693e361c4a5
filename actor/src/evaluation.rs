//! Episodes acted with fixed parameters.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use troop_common::experience::{ObservationBuffer, RecurrentState};
use troop_common::experiment::{EnvironmentSettings, Experiment};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::proto::v1::Episode;
use troop_common::spaces::Spaces;

use crate::environment::{self, EnvironmentError, VectorEnvironment};
use crate::episodes::EpisodeStatistics;
use crate::method::{self, Behaviour, MethodError, Purpose, Setting};
use crate::nn::{self, Model, ModelBackend};
use crate::normalizer::{Normalizer, NormalizerError};

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
    Normalizer(#[from] NormalizerError),
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
    let mut settings = experiment.environment.clone();
    settings.envs_per_worker = settings.envs_per_worker.clamp(1, plan.episodes.max(1));
    settings.step_sleep_us = 0;
    let environment = environment::make(&settings)?;
    let mut play = Play::new(experiment, &settings, environment, learned, plan)?;
    let stopped = play.finish(progress).err();
    Ok(play.acted(stopped))
}

/// An evaluation that goes on.
struct Play<'a> {
    plan: &'a Plan,
    environment: Box<dyn VectorEnvironment>,
    behaviour: Box<dyn Behaviour>,
    rng: ChaCha8Rng,
    online: Box<dyn Model>,
    normalizer: Normalizer,
    newest: ObservationBuffer,
    state: RecurrentState,
    /// Of each environment.
    statistics: Vec<EpisodeStatistics>,
    finished: Vec<Vec<Episode>>,
    /// Episodes of each environment that count.
    share: usize,
    env_steps: u64,
    restarts: u64,
}

impl<'a> Play<'a> {
    fn new(
        experiment: &Experiment,
        settings: &EnvironmentSettings,
        environment: Box<dyn VectorEnvironment>,
        learned: Learned<'_>,
        plan: &'a Plan,
    ) -> Result<Self, EvaluationError> {
        let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
        let parts = method::make(&mut Setting {
            experiment,
            spaces: environment.spaces(),
            worker_index: 0,
            rng: &mut rng,
        })?;
        let network = parts.network;
        let (expected, found) = (network.layout().fingerprint(), learned.layout.fingerprint());
        if expected != found {
            return Err(EvaluationError::WrongLayout { expected, found });
        }
        let mut online = ModelBackend::of(&experiment.model)
            .map_err(MethodError::from)?
            .model(&network);
        online.load(learned.parameters);
        let count = environment.count();
        Ok(Self {
            plan,
            online,
            normalizer: normalizer(settings, learned, environment.spaces())?,
            newest: ObservationBuffer::new(&environment.spaces().observation),
            state: RecurrentState::new(count, network.state_len()),
            statistics: vec![EpisodeStatistics::new(1); count],
            finished: vec![Vec::new(); count],
            share: plan.episodes.div_ceil(count),
            env_steps: 0,
            restarts: 0,
            environment,
            behaviour: parts.behaviour,
            rng,
        })
    }

    fn finish(&mut self, progress: &mut dyn FnMut(EvaluationProgress)) -> Result<(), Stopped> {
        self.reset()?;
        while self.finished.iter().any(|of_one| of_one.len() < self.share) {
            if self.env_steps >= self.plan.max_env_steps {
                return Err(Stopped::StepLimit(self.plan.max_env_steps));
            }
            match self.step() {
                Ok(()) => {}
                Err(EnvironmentError::Restarted(why)) => {
                    self.count_restart(&why);
                    self.reset()?;
                }
                Err(EnvironmentError::Fatal(why)) => return Err(Stopped::Environment(why)),
            }
            progress(self.progress());
        }
        Ok(())
    }

    /// New episodes everywhere; after a failure from other seeds, so that it need not come again.
    fn reset(&mut self) -> Result<(), Stopped> {
        loop {
            let stride = self.restarts.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            self.state.restart();
            for statistics in &mut self.statistics {
                statistics.restart();
            }
            match self.environment.reset(self.plan.seed.wrapping_add(stride)) {
                Ok(()) => return Ok(()),
                Err(EnvironmentError::Restarted(why)) => self.count_restart(&why),
                Err(EnvironmentError::Fatal(why)) => return Err(Stopped::Environment(why)),
            }
        }
    }

    fn count_restart(&mut self, why: &str) {
        self.restarts += 1;
        let restarts = self.restarts;
        tracing::warn!(restarts, why, "the environments begin anew");
    }

    fn step(&mut self) -> Result<(), EnvironmentError> {
        let step = self.environment.last();
        let observations = self.normalizer.normalize(step.observations);
        self.newest.clear();
        self.newest.extend(observations, step.masks);
        let purpose = Purpose::Evaluate {
            greedy: self.plan.greedy,
        };
        let decision = self.behaviour.act(
            &mut *self.online,
            &self.newest,
            &self.state,
            purpose,
            &mut self.rng,
        );
        self.environment.step(&decision.actions)?;
        let step = self.environment.last();
        self.state.carry(decision.state, step.ends);
        self.env_steps += step.ends.len() as u64;
        let of_each = self.statistics.iter_mut().zip(&mut self.finished);
        for (e, (statistics, finished)) in of_each.enumerate() {
            statistics.record(&step.rewards[e..=e], &step.ends[e..=e]);
            finished.append(&mut statistics.take_finished());
        }
        Ok(())
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

fn normalizer(
    settings: &EnvironmentSettings,
    learned: Learned<'_>,
    spaces: &Spaces,
) -> Result<Normalizer, EvaluationError> {
    // Nothing is learnt: no rewards are counted.
    let mut normalizer = Normalizer::new(settings, &spaces.observation, (1.0, 0))?;
    if settings.normalize_observations {
        let moments = learned.observations.ok_or(EvaluationError::NoMoments)?;
        normalizer.load(moments)?;
    }
    Ok(normalizer)
}
