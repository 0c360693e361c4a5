//! Episodes acted with fixed parameters.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::TchError;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::Episode;

use crate::environment::{self, EnvironmentError};
use crate::episodes::EpisodeStatistics;
use crate::method::{self, Behaviour, MethodError};
use crate::segment::ObservationBuffer;

/// Why an evaluation failed.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// Its environment failed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The method or the model cannot take the environment's spaces.
    #[error(transparent)]
    Method(#[from] MethodError),
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

/// Acts at least `episodes` whole episodes with `parameters` and gives the first that many of each
/// environment's equal share, so that short episodes do not count more often.
///
/// # Errors
/// Where the environment fails or the parameters are another network's.
pub fn evaluate(
    experiment: &Experiment,
    layout: &Layout,
    parameters: &[f32],
    episodes: usize,
    greedy: bool,
    seed: u64,
) -> Result<Vec<Episode>, EvaluationError> {
    tch::set_num_threads(1);
    let mut settings = experiment.environment.clone();
    settings.envs_per_worker = settings.envs_per_worker.clamp(1, episodes.max(1));
    let mut environment = environment::make(&settings)?;
    let mut method = method::make(
        experiment,
        environment.spaces(),
        ChaCha8Rng::seed_from_u64(seed),
    )?;
    let (expected, found) = (
        method.network().layout().fingerprint(),
        layout.fingerprint(),
    );
    if expected != found {
        return Err(EvaluationError::WrongLayout { expected, found });
    }
    let mut online = method.network().parameters();
    online.load(parameters);
    let share = episodes.div_ceil(environment.count());
    let mut statistics: Vec<EpisodeStatistics> =
        vec![EpisodeStatistics::new(1); environment.count()];
    let mut finished: Vec<Vec<Episode>> = vec![Vec::new(); environment.count()];
    let mut newest = ObservationBuffer::new(&environment.spaces().observation);
    environment.reset(seed)?;
    while finished.iter().any(|episodes| episodes.len() < share) {
        newest.clear();
        newest.extend(environment.last().observations);
        let actions = method.act(&online, &newest.tensor(), Behaviour::Evaluate { greedy });
        environment.step(&actions)?;
        let step = environment.last();
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
