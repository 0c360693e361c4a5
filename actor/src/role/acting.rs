use rand_chacha::ChaCha8Rng;
use troop_common::experience::{End, ObservationBuffer, RecurrentState, Segment};
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::report_limits::ReportLimits;
use troop_common::weights::Weights;

use super::backlog::Backlog;
use super::timed::timed;
use super::worker_error::WorkerError;
use crate::environment::{EnvironmentError, VectorEnvironment};
use crate::episodes::EpisodeStatistics;
use crate::method::{Behaviour, Decision, Purpose};
use crate::metrics::ActorMetrics;
use crate::nn::{Model, Network, PreviousStep};
use crate::normalization::NormalizationError;
use crate::normalizer::Normalizer;
use crate::reward_shaping::RewardShaping;

/// The half of a worker that lives through segments: steps its environments as a behaviour says.
pub(super) struct Acting {
    environment: Box<dyn VectorEnvironment>,
    behaviour: Box<dyn Behaviour>,
    t_max: usize,
    segment: Segment,
    newest: ObservationBuffer,
    normalizer: Normalizer,
    state: RecurrentState,
    /// What networks take of the step before.
    previous: PreviousStep,
    /// Whether segments have the recurrent state before each step.
    keeps_states: bool,
    /// Frames that the run has taken, as far as it knows.
    frames: u64,
    episodes: EpisodeStatistics,
    backlog: Backlog,
    rewards: RewardShaping,
    reset_seed: u64,
    resets: u64,
    metrics: ActorMetrics,
}

impl Acting {
    /// # Errors
    /// If the environment's observations cannot be normalised.
    pub(super) fn new(
        experiment: &Experiment,
        environment: Box<dyn VectorEnvironment>,
        behaviour: Box<dyn Behaviour>,
        network: &Network,
        reset_seed: u64,
        metrics: ActorMetrics,
    ) -> Result<Self, NormalizationError> {
        let spaces = environment.spaces();
        let count = environment.count();
        let rewards = (experiment.method.discount(), count);
        let normalizer = Normalizer::new(&experiment.environment, &spaces.observation, rewards)?;
        Ok(Self {
            t_max: experiment.method.t_max(),
            segment: Segment::new(count, spaces),
            newest: ObservationBuffer::new(&spaces.observation),
            normalizer,
            state: RecurrentState::new(count, network.state_len()),
            previous: network.previous_step().clone(),
            keeps_states: false,
            frames: 0,
            episodes: EpisodeStatistics::new(count),
            backlog: Backlog::new(ReportLimits::of(experiment)),
            rewards: RewardShaping::new(&experiment.environment),
            reset_seed,
            resets: 0,
            environment,
            behaviour,
            metrics,
        })
    }

    /// The same; `keeps_states` says whether segments have the recurrent state before each step.
    pub(super) fn keeping_states(self, keeps_states: bool) -> Self {
        Self {
            keeps_states,
            ..self
        }
    }

    /// Takes what else came with weights: the moments of what all workers lived through.
    pub(super) fn load(&mut self, weights: &Weights) -> Result<(), NormalizationError> {
        match &weights.observations {
            Some(observations) => self.normalizer.load(observations),
            None => Ok(()),
        }
    }

    /// Frames that the run had taken when it last began a segment.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// A new episode everywhere, each time from another seed of the worker's own sequence.
    pub(super) fn reset(&mut self) -> Result<(), WorkerError> {
        loop {
            let seed = self
                .reset_seed
                .wrapping_add(self.resets.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            self.resets += 1;
            self.episodes.restart();
            self.normalizer.restart();
            self.state.restart();
            self.behaviour.interrupted();
            match self.environment.reset(seed) {
                Ok(()) => return Ok(()),
                Err(EnvironmentError::Restarted(_)) => self.count_restart(),
                Err(fatal) => return Err(fatal.into()),
            }
        }
    }

    /// Forgets what recurrent networks carry on.
    pub(super) fn forget_state(&mut self) {
        self.state.restart();
    }

    /// Acts `t_max` steps in every environment with weights that do not change meanwhile. None if the
    /// environments had to be reset: what there was of the segment is dropped.
    pub(super) fn collect(
        &mut self,
        online: &mut dyn Model,
        weights: &Weights,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<&mut Segment>, WorkerError> {
        online.begin_segment();
        self.segment.restart(&self.state, weights.version);
        self.frames = self.frames_of_run(weights);
        for _ in 0..self.t_max {
            match self.step(online, rng) {
                Ok(()) => {}
                Err(EnvironmentError::Restarted(_)) => return self.begin_anew().map(|()| None),
                Err(fatal) => return Err(fatal.into()),
            }
        }
        self.finish(online, rng);
        Ok(Some(&mut self.segment))
    }

    /// What happened since the last report, as much of it as one may say.
    pub(super) fn report(&mut self) -> v1::Report {
        v1::Report {
            observations: self.normalizer.take(self.backlog.most_observations()),
            ..self.backlog.take()
        }
    }

    /// After a failure of the environments.
    fn begin_anew(&mut self) -> Result<(), WorkerError> {
        self.count_restart();
        self.reset()
    }

    fn count_restart(&mut self) {
        self.backlog.add_restart();
        self.metrics.environment_restarts.inc();
    }

    /// What the learner had counted, and what it does not know yet: schedules move on while no
    /// gradient carries a report.
    fn frames_of_run(&self, weights: &Weights) -> u64 {
        let frame_skip = u64::from(self.environment.frame_skip());
        let counted = weights.env_steps.saturating_mul(frame_skip);
        let frames = counted.saturating_add(self.backlog.frames());
        self.frames.max(frames)
    }

    fn step(
        &mut self,
        online: &mut dyn Model,
        rng: &mut ChaCha8Rng,
    ) -> Result<(), EnvironmentError> {
        let step = self.environment.last();
        self.normalizer.gather(step.observations);
        let own = &mut self.segment.observations;
        own.extend(step.observations, step.masks);
        self.newest.clear();
        self.newest.extend(step.observations, step.masks);
        if self.keeps_states {
            self.segment.states.extend_from_slice(self.state.values());
        }
        let purpose = Purpose::Explore {
            frames: self.frames,
        };
        let decision = timed(&self.metrics.inference_seconds, || {
            self.behaviour
                .act(online, &self.newest, &self.state, purpose, rng)
        });
        timed(&self.metrics.step_seconds, || {
            self.environment.step(&decision.actions)
        })?;
        self.record(decision);
        Ok(())
    }

    /// Adds what a step led to to the segment.
    fn record(&mut self, mut decision: Decision) {
        let step = self.environment.last();
        self.segment.actions.extend(&decision.actions);
        self.segment.behaviour.extend(&decision.behaviour);
        self.segment.ends.extend_from_slice(step.ends);
        self.normalizer.count_rewards(step.rewards, step.ends);
        let (normalizer, rewards) = (&self.normalizer, self.rewards);
        let learnt_from = |raw: &f32| rewards.of(normalizer.reward(*raw));
        let first = self.segment.rewards.len();
        let rewards = step.rewards.iter().map(learnt_from);
        self.segment.rewards.extend(rewards);
        let rewards = &self.segment.rewards[first..];
        let state = &mut decision.state;
        self.previous.note(&decision.actions, rewards, state);
        self.state.carry(decision.state, step.ends);
        self.episodes.record(step.rewards, step.ends);
        self.record_truncated();
    }

    /// Adds the final observations of the episodes that a step truncated to the segment.
    fn record_truncated(&mut self) {
        let step = self.environment.last();
        if !step.ends.contains(&End::Truncated) {
            return;
        }
        for (environment, end) in step.ends.iter().enumerate() {
            if *end == End::Truncated {
                self.segment.truncated_observations.extend_one(
                    step.final_observations,
                    step.final_masks,
                    environment,
                );
            }
        }
    }

    /// Adds what lies behind the last steps, and counts the segment.
    fn finish(&mut self, online: &mut dyn Model, rng: &mut ChaCha8Rng) {
        let step = self.environment.last();
        let behind = &mut self.segment.bootstrap_observations;
        behind.extend(step.observations, step.masks);
        let env_steps = self.segment.len() as u64;
        self.backlog
            .add_segment(env_steps, self.episodes.take_finished());
        self.metrics.env_steps.inc_by(env_steps);
        self.behaviour.complete(online, &mut self.segment, rng);
    }
}
