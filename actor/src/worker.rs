//! One worker: newest weights, a segment, its gradient, and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Histogram;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, TchError};
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::weights::Weights;

use crate::clipping::clip_to_norm;
use crate::environment::{self, EnvironmentError, VectorEnvironment};
use crate::episodes::EpisodeStatistics;
use crate::link::{Contribution, Link, LinkClosed};
use crate::method::{self, Behaviour, Loss, Method, MethodError};
use crate::metrics::ActorMetrics;
use crate::model::Parameters;
use crate::push_delay::PushDelay;
use crate::segment::{ObservationBuffer, Segment};

/// Why a worker ended before the run did.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Its environment cannot go on.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// The method or the model cannot take the environment's spaces.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// The learner is gone or refuses it.
    #[error("{0}")]
    Link(String),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
    /// The run's method has a target network, but the learner published none.
    #[error(
        "the learner published no target network; its software is older or another experiment runs there"
    )]
    NoTarget,
}

/// Steps its environments, computes gradients, and holds one session with the learner.
pub struct Worker {
    environment: Box<dyn VectorEnvironment>,
    method: Box<dyn Method>,
    link: Box<dyn Link>,
    online: Parameters,
    target: Option<LoadedTarget>,
    segment: Segment,
    newest: ObservationBuffer,
    episodes: EpisodeStatistics,
    contribution: Contribution,
    reward_clip: Option<f32>,
    max_gradient_norm: Option<f64>,
    push_delay: PushDelay,
    reset_seed: u64,
    resets: u64,
    metrics: ActorMetrics,
}

struct LoadedTarget {
    parameters: Parameters,
    taken_at_version: Option<u64>,
}

/// What a segment ended with.
enum Collected {
    Whole,
    /// The host was restarted: what there was of the segment is dropped.
    Dropped,
}

impl Worker {
    /// Makes the environments, the method and the model that `experiment` describes. Every random
    /// number of the worker comes from `seed`.
    ///
    /// # Errors
    /// Where the environment cannot start, or nothing can learn in it.
    pub fn new(
        experiment: &Experiment,
        seed: u64,
        link: Box<dyn Link>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let environment = environment::make(&experiment.environment)?;
        let spaces = environment.spaces();
        let method = method::make(experiment, spaces, ChaCha8Rng::seed_from_u64(seed))?;
        let network = method.network();
        let target = method.needs_target().then(|| LoadedTarget {
            parameters: network.parameters(),
            taken_at_version: None,
        });
        let contribution = Contribution {
            gradient: vec![0.0; network.layout().len()],
            ..Contribution::default()
        };
        Ok(Self {
            online: network.parameters(),
            target,
            segment: Segment::new(
                environment.count(),
                &spaces.observation,
                method.no_actions(),
            ),
            newest: ObservationBuffer::new(&spaces.observation),
            episodes: EpisodeStatistics::new(environment.count()),
            contribution,
            reward_clip: experiment.environment.reward_clip,
            max_gradient_norm: experiment.actor.max_gradient_norm,
            push_delay: PushDelay::new(Duration::from_millis(experiment.actor.push_delay_ms), seed),
            reset_seed: seed,
            resets: 0,
            environment,
            method,
            link,
            metrics,
        })
    }

    /// Works until the run is over.
    ///
    /// # Errors
    /// Where it cannot go on although the run does.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        // Parallelism comes from workers; libtorch's own threads would only get in their way.
        tch::set_num_threads(1);
        match self.work() {
            Ok(never) => match never {},
            Err(Stop::Link(LinkClosed::Finished(reason))) => {
                tracing::debug!(%reason, "worker ends");
                Ok(())
            }
            Err(Stop::Link(LinkClosed::Failed(reason))) => Err(WorkerError::Link(reason)),
            Err(Stop::Worker(error)) => Err(error),
        }
    }

    fn work(&mut self) -> Result<std::convert::Infallible, Stop> {
        self.link.open(self.method.network().layout())?;
        self.reset()?;
        let mut loaded = None;
        loop {
            let weights = timed(&self.metrics.weights_wait, || self.link.weights())?;
            self.load(&weights, loaded)?;
            loaded = Some((weights.epoch, weights.version));
            if let Collected::Whole = self.collect(&weights)? {
                self.compute_gradient()?;
                self.push(&weights)?;
            }
        }
    }

    /// A new episode everywhere, each time from another seed of the worker's own sequence.
    fn reset(&mut self) -> Result<(), Stop> {
        loop {
            let seed = self
                .reset_seed
                .wrapping_add(self.resets.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            self.resets += 1;
            self.episodes.restart();
            match self.environment.reset(seed) {
                Ok(()) => return Ok(()),
                Err(EnvironmentError::Restarted(_)) => self.count_restart(),
                Err(fatal) => return Err(WorkerError::from(fatal).into()),
            }
        }
    }

    fn count_restart(&mut self) {
        self.contribution.report.environment_restarts += 1;
        self.metrics.environment_restarts.inc();
    }

    fn load(&mut self, weights: &Weights, loaded: Option<(u64, u64)>) -> Result<(), Stop> {
        if let Some((epoch, version)) = loaded {
            if (epoch, version) == (weights.epoch, weights.version) {
                return Ok(());
            }
            self.metrics
                .weights_staleness
                .set(weights.version.saturating_sub(version) as f64);
        }
        self.online.load(&weights.parameters);
        if let Some(target) = &mut self.target {
            let newest = weights.target.as_ref().ok_or(WorkerError::NoTarget)?;
            if target.taken_at_version != Some(newest.taken_at_version) {
                target.parameters.load(&newest.parameters);
                target.taken_at_version = Some(newest.taken_at_version);
            }
        }
        Ok(())
    }

    /// Acts `t_max` steps in every environment with weights that do not change meanwhile.
    fn collect(&mut self, weights: &Weights) -> Result<Collected, Stop> {
        self.segment.clear();
        let frame_skip = u64::from(self.environment.frame_skip());
        let behaviour = Behaviour::Explore {
            frames: weights.env_steps * frame_skip,
        };
        for _ in 0..self.method.t_max() {
            match self.step(behaviour) {
                Ok(()) => {}
                Err(EnvironmentError::Restarted(_)) => {
                    self.count_restart();
                    self.reset()?;
                    return Ok(Collected::Dropped);
                }
                Err(fatal) => return Err(WorkerError::from(fatal).into()),
            }
        }
        self.segment
            .bootstrap_observations
            .extend(self.environment.last().observations);
        let env_steps = self.segment.len() as u64;
        let report = &mut self.contribution.report;
        report.env_steps += env_steps;
        report.frames += env_steps * frame_skip;
        report.episodes.append(&mut self.episodes.take_finished());
        self.metrics.env_steps.inc_by(env_steps);
        Ok(Collected::Whole)
    }

    fn step(&mut self, behaviour: Behaviour) -> Result<(), EnvironmentError> {
        let observations = self.environment.last().observations;
        self.segment.observations.extend(observations);
        self.newest.clear();
        self.newest.extend(observations);
        let actions = timed(&self.metrics.inference_seconds, || {
            self.method
                .act(&self.online, &self.newest.tensor(), behaviour)
        });
        timed(&self.metrics.step_seconds, || {
            self.environment.step(&actions)
        })?;
        let step = self.environment.last();
        self.segment.extend_actions(&actions);
        self.segment.ends.extend_from_slice(step.ends);
        for (environment, end) in step.ends.iter().enumerate() {
            if *end == environment::End::Truncated {
                self.segment
                    .truncated_observations
                    .extend_one(step.final_observations, environment);
            }
        }
        match self.reward_clip {
            Some(limit) => self
                .segment
                .rewards
                .extend(step.rewards.iter().map(|r| r.clamp(-limit, limit))),
            None => self.segment.rewards.extend_from_slice(step.rewards),
        }
        self.episodes.record(step.rewards, step.ends);
        Ok(())
    }

    fn compute_gradient(&mut self) -> Result<(), WorkerError> {
        let started = Instant::now();
        let target = self.target.as_ref().map(|target| &target.parameters);
        let Loss { total, terms } = self.method.loss(&self.online, target, &self.segment);
        self.online
            .gradient(&total, &mut self.contribution.gradient)?;
        self.clip();
        let term = |(name, value): &(&str, tch::Tensor)| v1::LossTerm {
            term: (*name).to_owned(),
            value: value.to_kind(Kind::Double).double_value(&[]),
        };
        self.contribution.report.losses = terms.iter().map(term).collect();
        self.metrics
            .gradient_seconds
            .observe(started.elapsed().as_secs_f64());
        Ok(())
    }

    fn clip(&mut self) {
        if let Some(limit) = self.max_gradient_norm
            && clip_to_norm(&mut self.contribution.gradient, limit)
        {
            self.metrics.gradients_clipped.inc();
        }
    }

    fn push(&mut self, weights: &Arc<Weights>) -> Result<(), LinkClosed> {
        self.contribution.epoch = weights.epoch;
        self.contribution.version = weights.version;
        // Stands for a slower worker, and is no wait for the learner.
        std::thread::sleep(self.push_delay.next());
        timed(&self.metrics.push_wait, || {
            self.link.push(&mut self.contribution)
        })?;
        self.contribution
            .gradient
            .resize(weights.parameters.len(), 0.0);
        self.contribution.report = v1::Report::default();
        Ok(())
    }
}

/// Why the loop ended.
enum Stop {
    Link(LinkClosed),
    Worker(WorkerError),
}

impl From<LinkClosed> for Stop {
    fn from(closed: LinkClosed) -> Self {
        Self::Link(closed)
    }
}

impl From<WorkerError> for Stop {
    fn from(error: WorkerError) -> Self {
        Self::Worker(error)
    }
}

fn timed<T>(histogram: &Histogram, call: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let result = call();
    histogram.observe(started.elapsed().as_secs_f64());
    result
}

/// A worker's seed from the run's, the learner's life, and the session's number.
pub fn worker_seed(experiment_seed: u64, epoch: u64, session: u64) -> u64 {
    // SplitMix64's finaliser over a sum of odd multiples: neighbours do not share streams.
    let mut z = experiment_seed
        .wrapping_add(epoch.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(session.wrapping_mul(0xD1B5_4A32_D192_ED03));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
