//! Episodes acted with fixed parameters.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::TchError;
use troop_common::experiment::{EnvironmentSettings, Experiment};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::proto::v1::Episode;
use troop_common::spaces::Spaces;

use crate::environment::{self, EnvironmentError};
use crate::episodes::EpisodeStatistics;
use crate::memory::Memory;
use crate::method::{self, Behaviour, MethodError, Setting};
use crate::normalizer::{NormalizerError, ObservationNormalizer};
use crate::segment::ObservationBuffer;

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
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
    /// The parameters are those of another network.
    #[error("the checkpoint's layout is {found}; the experiment's network has {expected}")]
    WrongLayout {
        /// The network's fingerprint.
        expected: String,
        /// The checkpoint's fingerprint.
        found: String,
    },
}

/// Acts at least `episodes` whole episodes with what was learned and gives the first that many of each
/// environment's equal share, so that short episodes do not count more often.
///
/// # Errors
/// Where the environment fails or the parameters are another network's.
pub fn evaluate(
    experiment: &Experiment,
    learned: Learned<'_>,
    episodes: usize,
    greedy: bool,
    seed: u64,
) -> Result<Vec<Episode>, EvaluationError> {
    tch::set_num_threads(1);
    let mut settings = experiment.environment.clone();
    settings.envs_per_worker = settings.envs_per_worker.clamp(1, episodes.max(1));
    settings.step_sleep_us = 0;
    let mut environment = environment::make(&settings)?;
    let mut method = method::make(Setting {
        experiment,
        spaces: environment.spaces(),
        worker_index: 0,
        rng: ChaCha8Rng::seed_from_u64(seed),
    })?;
    let (expected, found) = (
        method.network().layout().fingerprint(),
        learned.layout.fingerprint(),
    );
    if expected != found {
        return Err(EvaluationError::WrongLayout { expected, found });
    }
    let mut online = method.network().parameters();
    online.load(learned.parameters);
    let mut normalizer = normalizer(&settings, learned, environment.spaces())?;
    let share = episodes.div_ceil(environment.count());
    let mut statistics: Vec<EpisodeStatistics> =
        vec![EpisodeStatistics::new(1); environment.count()];
    let mut finished: Vec<Vec<Episode>> = vec![Vec::new(); environment.count()];
    let mut newest = ObservationBuffer::new(&environment.spaces().observation);
    let mut memory = Memory::new(environment.count(), method.network().memory_len());
    environment.reset(seed)?;
    while finished.iter().any(|episodes| episodes.len() < share) {
        let step = environment.last();
        newest.clear();
        newest.extend(normalizer.normalize(step.observations), step.masks);
        let behaviour = Behaviour::Evaluate { greedy };
        let decision = method.act(&online, &newest.observed(), &memory.tensor(), behaviour);
        environment.step(&decision.actions)?;
        let step = environment.last();
        memory.carry(&decision.memory, step.ends);
        for (e, (statistics, finished)) in statistics.iter_mut().zip(&mut finished).enumerate() {
            statistics.record(&step.rewards[e..=e], &step.ends[e..=e]);
            finished.append(&mut statistics.take_finished());
        }
    }
    let whole = finished
        .into_iter()
        .flat_map(|episodes| episodes.into_iter().take(share));
    Ok(whole.take(episodes).collect())
}

fn normalizer(
    settings: &EnvironmentSettings,
    learned: Learned<'_>,
    spaces: &Spaces,
) -> Result<ObservationNormalizer, EvaluationError> {
    let mut normalizer = ObservationNormalizer::new(settings, &spaces.observation)?;
    if settings.normalize_observations {
        let moments = learned.observations.ok_or(EvaluationError::NoMoments)?;
        normalizer.load(moments)?;
    }
    Ok(normalizer)
}
