//! One worker: newest weights, a segment, its gradient, and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus::Histogram;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, TchError};
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::report_limits::ReportLimits;
use troop_common::weights::Weights;

use crate::backlog::Backlog;
use crate::clipping::clip_to_norm;
use crate::divergence::{Diverged, Divergence};
use crate::environment::{self, End, EnvironmentError, VectorEnvironment};
use crate::episodes::EpisodeStatistics;
use crate::link::{Contribution, Link, LinkClosed};
use crate::memory::Memory;
use crate::method::{self, Behaviour, Decision, Loss, Method, MethodError, Setting};
use crate::metrics::ActorMetrics;
use crate::model::Parameters;
use crate::normalizer::{NormalizerError, ObservationNormalizer};
use crate::push_delay::PushDelay;
use crate::replay::available_memory::{self, ReplayTooLarge};
use crate::reward_shaping::RewardShaping;
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
    /// The environment's observations cannot be normalised.
    #[error(transparent)]
    Normalizer(#[from] NormalizerError),
    /// The learner is gone or refuses it.
    #[error("{0}")]
    Link(String),
    /// What it wants to remember does not fit into memory.
    #[error(transparent)]
    Replay(#[from] ReplayTooLarge),
    /// Its losses are not finite any more.
    #[error(transparent)]
    Diverged(#[from] Diverged),
    /// libtorch failed.
    #[error("libtorch: {0}")]
    Torch(#[from] TchError),
    /// The run's method has a target network, but the learner published none.
    #[error(
        "the learner published no target network; its software is older or another experiment runs there"
    )]
    NoTarget,
}

/// Who a worker is among those of its run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Every random number of the worker comes from it, see [`worker_seed`].
    pub seed: u64,
    /// Its place, from 0: the smallest that no other live session had when it joined.
    pub index: usize,
    /// Workers of its process, which share its memory.
    pub workers_here: usize,
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
    normalizer: ObservationNormalizer,
    memory: Memory,
    loaded: Option<(u64, u64)>,
    frames: u64,
    episodes: EpisodeStatistics,
    contribution: Contribution,
    backlog: Backlog,
    rewards: RewardShaping,
    max_gradient_norm: Option<f64>,
    push_delay: PushDelay,
    reset_seed: u64,
    resets: u64,
    metrics: ActorMetrics,
    divergence: Divergence,
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
    /// Makes the environments, the method and the model that `experiment` describes.
    ///
    /// # Errors
    /// Where the environment cannot start, or nothing can learn in it.
    pub fn new(
        experiment: &Experiment,
        identity: Identity,
        link: Box<dyn Link>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let environment = environment::make(&experiment.environment)?;
        let method = method::make(Setting {
            experiment,
            spaces: environment.spaces(),
            worker_index: identity.index,
            rng: ChaCha8Rng::seed_from_u64(identity.seed),
        })?;
        if let Some(demand) = method.replay_demand() {
            available_memory::check(&demand, identity.workers_here)?;
        }
        Self::of_parts(
            experiment,
            environment,
            method,
            identity.seed,
            link,
            metrics,
        )
    }

    pub(crate) fn of_parts(
        experiment: &Experiment,
        environment: Box<dyn VectorEnvironment>,
        method: Box<dyn Method>,
        seed: u64,
        link: Box<dyn Link>,
        metrics: ActorMetrics,
    ) -> Result<Self, WorkerError> {
        let spaces = environment.spaces();
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
            segment: Segment::new(environment.count(), spaces),
            newest: ObservationBuffer::new(&spaces.observation),
            normalizer: ObservationNormalizer::new(&experiment.environment, &spaces.observation)?,
            memory: Memory::new(environment.count(), network.memory_len()),
            loaded: None,
            frames: 0,
            episodes: EpisodeStatistics::new(environment.count()),
            contribution,
            backlog: Backlog::new(ReportLimits::of(experiment)),
            rewards: RewardShaping::new(&experiment.environment),
            max_gradient_norm: experiment.actor.max_gradient_norm,
            push_delay: PushDelay::new(Duration::from_millis(experiment.actor.push_delay_ms), seed),
            reset_seed: seed,
            resets: 0,
            environment,
            method,
            link,
            metrics,
            divergence: Divergence::default(),
        })
    }

    /// Works until the run is over.
    ///
    /// # Errors
    /// Where it cannot go on although the run does.
    pub fn run(&mut self) -> Result<(), WorkerError> {
        // Parallelism comes from workers; libtorch's own threads would only get in their way.
        tch::set_num_threads(1);
        self.metrics.workers.inc();
        let ended = self.work();
        self.metrics.workers.dec();
        match ended {
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
        loop {
            let weights = self.take_weights()?;
            if let Collected::Whole = self.collect(&weights)? {
                self.learn(weights)?;
            }
        }
    }

    /// Sends the gradients that the method makes of the segment, the first one on the weights that
    /// it was acted with, the others on the newest.
    fn learn(&mut self, mut weights: Arc<Weights>) -> Result<(), Stop> {
        for index in 0..self.method.receive(&self.online, &self.segment) {
            if index > 0 {
                weights = self.take_weights()?;
            }
            if self.compute_gradient(index)? {
                let losses = &self.contribution.report.losses;
                let finite = self.divergence.look(losses).map_err(WorkerError::from)?;
                self.push(&weights)?;
                if !finite {
                    // What the network carries on may be the cause, or have become part of it.
                    self.memory.restart();
                }
            } else {
                self.metrics.gradients_withheld.inc();
            }
        }
        Ok(())
    }

    /// A new episode everywhere, each time from another seed of the worker's own sequence.
    fn reset(&mut self) -> Result<(), Stop> {
        loop {
            let seed = self
                .reset_seed
                .wrapping_add(self.resets.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            self.resets += 1;
            self.episodes.restart();
            self.memory.restart();
            self.method.interrupted();
            match self.environment.reset(seed) {
                Ok(()) => return Ok(()),
                Err(EnvironmentError::Restarted(_)) => self.count_restart(),
                Err(fatal) => return Err(WorkerError::from(fatal).into()),
            }
        }
    }

    fn count_restart(&mut self) {
        self.backlog.add_restart();
        self.metrics.environment_restarts.inc();
    }

    /// The newest weights, loaded.
    fn take_weights(&mut self) -> Result<Arc<Weights>, Stop> {
        let weights = timed(&self.metrics.weights_wait, || self.link.weights())?;
        let newest = (weights.epoch, weights.version);
        let updates = match self.loaded.replace(newest) {
            Some(loaded) if loaded == newest => return Ok(weights),
            Some((epoch, version)) if epoch == weights.epoch => {
                Some(weights.version.saturating_sub(version))
            }
            _ => None,
        };
        if let Some(updates) = updates {
            self.metrics.weights_staleness.set(updates as f64);
        }
        self.online.load(&weights.parameters);
        if let Some(observations) = &weights.observations {
            let loaded = self.normalizer.load(observations);
            loaded.map_err(WorkerError::from)?;
        }
        self.load_target(&weights)?;
        self.method.weights_loaded(&self.online, updates);
        Ok(weights)
    }

    fn load_target(&mut self, weights: &Weights) -> Result<(), WorkerError> {
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
        self.segment.restart(&self.memory);
        let behaviour = Behaviour::Explore {
            frames: self.frames_of_run(weights),
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
        let step = self.environment.last();
        let observations = self.normalizer.normalize(step.observations);
        self.segment
            .bootstrap_observations
            .extend(observations, step.masks);
        self.report_segment();
        Ok(Collected::Whole)
    }

    fn report_segment(&mut self) {
        let env_steps = self.segment.len() as u64;
        self.backlog
            .add_segment(env_steps, self.episodes.take_finished());
        self.metrics.env_steps.inc_by(env_steps);
    }

    /// What the learner had counted, and what it does not know yet: schedules move on while no
    /// gradient carries a report.
    fn frames_of_run(&mut self, weights: &Weights) -> u64 {
        let frame_skip = u64::from(self.environment.frame_skip());
        let counted = weights.env_steps.saturating_mul(frame_skip);
        let frames = counted.saturating_add(self.backlog.frames());
        self.frames = self.frames.max(frames);
        self.frames
    }

    fn step(&mut self, behaviour: Behaviour) -> Result<(), EnvironmentError> {
        let step = self.environment.last();
        self.normalizer.gather(step.observations);
        let observations = self.normalizer.normalize(step.observations);
        self.segment.observations.extend(observations, step.masks);
        self.newest.clear();
        self.newest.extend(observations, step.masks);
        let decision = timed(&self.metrics.inference_seconds, || {
            let memory = self.memory.tensor();
            self.method
                .act(&self.online, &self.newest.observed(), &memory, behaviour)
        });
        timed(&self.metrics.step_seconds, || {
            self.environment.step(&decision.actions)
        })?;
        self.record(&decision);
        Ok(())
    }

    /// Adds what a step led to to the segment.
    fn record(&mut self, decision: &Decision) {
        let step = self.environment.last();
        self.memory.carry(&decision.memory, step.ends);
        self.segment.actions.extend(&decision.actions);
        self.segment.behaviour.extend(&decision.behaviour);
        self.segment.ends.extend_from_slice(step.ends);
        if step.ends.contains(&End::Truncated) {
            let observations = self.normalizer.normalize(step.final_observations);
            for (environment, end) in step.ends.iter().enumerate() {
                if *end == End::Truncated {
                    self.segment.truncated_observations.extend_one(
                        observations,
                        step.final_masks,
                        environment,
                    );
                }
            }
        }
        let rewards = self.rewards;
        self.segment
            .rewards
            .extend(step.rewards.iter().map(|reward| rewards.of(*reward)));
        self.episodes.record(step.rewards, step.ends);
    }

    /// Whether there is one: the method may refuse.
    fn compute_gradient(&mut self, index: usize) -> Result<bool, WorkerError> {
        let started = Instant::now();
        let target = self.target.as_ref().map(|target| &target.parameters);
        let loss = self.method.loss(&self.online, target, &self.segment, index);
        let Some(Loss { total, terms }) = loss else {
            return Ok(false);
        };
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
        Ok(true)
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
        self.contribution.report = v1::Report {
            losses: std::mem::take(&mut self.contribution.report.losses),
            observations: self.normalizer.take(self.backlog.most_observations()),
            ..self.backlog.take()
        };
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
