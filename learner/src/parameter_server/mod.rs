//! The parameter server: composes what decides with the parameters, the counters and the metrics.

mod first_parameters;
#[cfg(test)]
mod first_parameters_tests;
mod ingest;
#[cfg(test)]
mod observation_tests;
pub(crate) mod pace;
mod synchronous;
#[cfg(test)]
mod tests;
mod waiting;

use std::collections::VecDeque;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tokio::time::Instant;
use troop_common::experiment::{Experiment, SendWeights, StalenessPolicy};
use troop_common::layout::Layout;
use troop_common::moments::Moments;
use troop_common::proto::v1;
use troop_common::telemetry::VERSION;
use troop_common::weights::{Target, Weights};

use crate::answers::{JoinError, Joined, OpenError, Phase, ResumeError};
use crate::ledger::counters::Counters;
use crate::ledger::journal::Occurrence;
use crate::ledger::observations::ObservationMoments;
use crate::ledger::plausibility::Plausibility;
use crate::ledger::progress::ProgressView;
use crate::ledger::recorder::Recorder;
use crate::ledger::schedule::LearningRate;
use crate::ledger::session::{SessionId, Sessions};
use crate::ledger::staleness::StalenessBucket;
use crate::lock::lock;
use crate::metrics::{Metrics, of_count};
use crate::optimizer::Rule;
use crate::parameter_server::pace::Pace;
use crate::policy::history::PublishHistory;
use crate::policy::judgement::StalenessRule;
use crate::run_files::checkpoint::{Checkpoint, CheckpointState};
use crate::run_files::history::{ProgressPoint, RunEvent};
use crate::run_files::tensorboard::LifeStart;
use crate::shard::admission::Admission;
use crate::shard::budget::Budget;
use crate::shard::clock::{PublishClock, TargetClock};
use crate::shard::model::Model;
use crate::shard::parameters::StripedParameters;
use crate::shard::publisher::{PublishLabel, PublishRules, Publisher};

/// Publishes may take this much memory whatever their number: small ones are never put off.
const SMALL_PUBLISHES_BYTES: usize = 64 << 20;

/// Owns the parameters and the optimiser's state, admits and applies gradients, publishes weights.
///
/// It is shared by all sessions; every call may come from any thread.
pub struct ParameterServer {
    experiment: Experiment,
    epoch: u64,
    rate: LearningRate,
    admission: Admission,
    plausibility: Plausibility,
    staleness: StalenessRule,
    /// Tokio's clock, so that simulated time works.
    started: Instant,
    model: OnceLock<Model>,
    /// Held while the model is made, so that it is made once.
    making: Mutex<()>,
    /// Held while its parameters are drawn elsewhere.
    drawing: tokio::sync::Mutex<()>,
    sessions: Mutex<Sessions>,
    recorder: Recorder,
    observations: ObservationMoments,
    published: watch::Sender<Option<Arc<Weights>>>,
    phase: watch::Sender<Phase>,
}

impl ParameterServer {
    /// A fresh run.
    pub fn new(experiment: Experiment, metrics: Metrics) -> Self {
        Self::with_counters(experiment, metrics, 1, Counters::default(), None)
    }

    /// A run that goes on from `checkpoint`, one epoch later.
    ///
    /// # Errors
    /// Where the checkpoint lacks what the run's optimiser needs.
    pub fn resume(
        experiment: Experiment,
        metrics: Metrics,
        checkpoint: Checkpoint,
    ) -> Result<Self, ResumeError> {
        let epoch = checkpoint.state.epoch + 1;
        Self::in_life(experiment, metrics, epoch, Some(checkpoint))
    }

    /// A given life of a run, from a checkpoint of an earlier one where there is any. A life that
    /// ended without a checkpoint counts too: its gradients must not be admitted in the next.
    ///
    /// # Errors
    /// Where the checkpoint lacks what the run's optimiser needs.
    pub fn in_life(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        checkpoint: Option<Checkpoint>,
    ) -> Result<Self, ResumeError> {
        match checkpoint {
            None => Ok(Self::with_counters(
                experiment,
                metrics,
                epoch,
                Counters::default(),
                None,
            )),
            Some(checkpoint) => Self::from_checkpoint(experiment, metrics, epoch, checkpoint),
        }
    }

    fn from_checkpoint(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        checkpoint: Checkpoint,
    ) -> Result<Self, ResumeError> {
        let optimizer = optimizer_state(&experiment, &checkpoint)?;
        refuse_other_observations(&experiment, &checkpoint)?;
        let state = checkpoint.state;
        let observations = checkpoint.observations;
        let server = Self::with_counters(experiment, metrics, epoch, state.counters, observations);
        let target = checkpoint.target.map(|parameters| Target {
            taken_at_version: state.target_taken_at_version.unwrap_or(state.version),
            parameters,
        });
        server.metrics().version.set(of_count(state.version));
        server.make_model(Beginning {
            layout: state.layout,
            parameters: checkpoint.parameters,
            optimizer,
            version: state.version,
            target,
        });
        server.finish_if_done();
        Ok(server)
    }

    fn with_counters(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        counters: Counters,
        observations: Option<Moments>,
    ) -> Self {
        let run = &experiment.experiment;
        metrics.epoch.set(of_count(epoch));
        metrics
            .run_env_steps_target
            .set(of_count(run.total_env_steps));
        let limit = experiment.learner.max_staleness_updates;
        metrics.max_staleness.set(of_count(limit));
        let server = Self {
            rate: LearningRate::new(&experiment.optimizer, run.total_env_steps),
            admission: Admission { epoch },
            plausibility: Plausibility::new(&experiment),
            staleness: StalenessRule::new(&experiment.learner),
            recorder: Recorder::new(counters, run, metrics, unix_seconds()),
            observations: ObservationMoments::new(
                experiment.environment.normalize_observations,
                observations,
            ),
            epoch,
            started: Instant::now(),
            model: OnceLock::new(),
            making: Mutex::default(),
            drawing: tokio::sync::Mutex::default(),
            sessions: Mutex::default(),
            published: watch::Sender::new(None),
            phase: watch::Sender::new(Phase::Running),
            experiment,
        };
        server.note(server.announcement());
        server
    }

    /// What is noted when a life of the run begins.
    fn announcement(&self) -> Occurrence {
        let run = &self.experiment.experiment;
        let message = match self.epoch {
            1 => "run started",
            _ => "run resumed",
        };
        Occurrence::info(message)
            .with("experiment", run.name.as_str())
            .with("seed", run.seed)
            .with("epoch", self.epoch)
            .with("software", VERSION)
    }

    /// Makes the model and publishes its parameters, where nobody has made it before.
    fn make_model(&self, beginning: Beginning) -> &Model {
        let Beginning {
            layout,
            parameters,
            optimizer,
            version,
            target,
        } = beginning;
        let settings = &self.experiment.learner;
        let rule = Rule::new(&self.experiment.optimizer);
        let now = self.now();
        let (env_steps, frames) = self.recorder.steps();
        let kept = match settings.staleness {
            StalenessPolicy::Compensate => settings.compensation_history,
            _ => 0,
        };
        let target_sync = self.experiment.method.target_sync();
        let rules = PublishRules {
            clock: PublishClock::new(settings.publish, version, now),
            target_clock: target_sync.map(|rule| TargetClock::new(rule, frames, version)),
            history: PublishHistory::new(kept),
            most_in_memory: self
                .most_publishes(parameters.len())
                .saturating_add(kept + usize::from(target_sync.is_some())),
        };
        let publisher = Publisher::new(rules, self.epoch, self.published.clone(), now);
        let striped = StripedParameters::new(rule, &parameters, &optimizer, settings.stripes);
        let bytes_in_flight = self.metrics().bytes_in_flight.clone();
        let model = self.model.get_or_init(|| Model {
            fingerprint: layout.fingerprint(),
            layout,
            budget: Arc::new(Budget::new(
                parameters.len(),
                settings.bytes_in_flight,
                bytes_in_flight,
            )),
            parameters: striped,
            publisher,
            pace: Pace::new(settings, version),
            version: AtomicU64::new(version),
            steps: AtomicU64::new(version),
        });
        // The vector that the stripes were filled from is the first publish: no copy of it is made.
        let label = PublishLabel {
            version,
            env_steps,
            frames,
            observations: self.observations.newest(),
        };
        model
            .publisher
            .publish_first(label, parameters, target, now);
        self.metrics().publishes.inc();
        model
    }

    /// Publishes of `elements` that are in memory at most while their readers get on. Where workers
    /// wait for each update's weights nothing else would make a publish that was put off.
    fn most_publishes(&self, elements: usize) -> usize {
        let settings = &self.experiment;
        let awaited = settings.learner.staleness == StalenessPolicy::Synchronous
            || settings.wire.send_weights == SendWeights::AfterGradient;
        if awaited {
            return usize::MAX;
        }
        (SMALL_PUBLISHES_BYTES / (size_of::<f32>() * elements.max(1))).max(2)
    }

    /// The experiment that this run executes.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// The learner's life within the run, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The learner's metrics.
    pub fn metrics(&self) -> &Metrics {
        self.recorder.metrics()
    }

    /// The published weights, latest wins; none before the first session has opened.
    pub fn published(&self) -> watch::Receiver<Option<Arc<Weights>>> {
        self.published.subscribe()
    }

    /// Notes that a receiver is being sent the publish of `version`, which stays in memory for it.
    pub(crate) fn sending(&self, version: u64) {
        if let Some(model) = self.model.get() {
            model.publisher.being_read(version, self.now());
        }
    }

    /// Where the learner is in its life.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Env steps counted so far in the run.
    pub(crate) fn env_steps(&self) -> u64 {
        self.recorder.steps().0
    }

    /// Updates applied so far in the run.
    pub fn version(&self) -> u64 {
        self.model.get().map_or(0, Model::version)
    }

    /// Elements of the parameter vector; none before the first session has opened.
    pub fn elements(&self) -> Option<usize> {
        self.model.get().map(Model::elements)
    }

    /// What every session's layout must look like; none before the first session has opened.
    pub fn fingerprint(&self) -> Option<&str> {
        self.model.get().map(|model| model.fingerprint.as_str())
    }

    /// Opens a session for `worker`, which calls from `peer`.
    ///
    /// # Errors
    /// Where the learner is full, draining, or done.
    pub fn join(&self, worker: String, peer: String) -> Result<Joined, JoinError> {
        if let Phase::Draining(reason) | Phase::Finished(reason) = &*self.phase.borrow() {
            return Err(JoinError::Closed(reason.clone()));
        }
        let mut sessions = lock(&self.sessions);
        let limit = self.experiment.learner.max_sessions;
        if sessions.len() >= limit {
            return Err(JoinError::Full(limit));
        }
        let joined = Occurrence::info("session joined")
            .with("worker", worker.as_str())
            .with("peer", peer.as_str());
        let (session, worker_index) = sessions.join(worker, peer);
        self.metrics().sessions_joined.inc();
        self.metrics().sessions.set(sessions.len() as i64);
        drop(sessions);
        self.note(joined.with("session", session));
        Ok(Joined {
            session,
            epoch: self.epoch,
            worker_index,
        })
    }

    /// Says what a session's parameters look like. The first layout of a run defines it, and the
    /// first parameters are drawn by it: on this thread, unless [`Self::prepare`] has done that.
    ///
    /// # Errors
    /// Where the session is unknown, its layout is another than the run's or cannot be one's, there is
    /// no memory for a round of so many, or the learner closes.
    pub fn open(&self, session: SessionId, layout: Layout) -> Result<(), OpenError> {
        if lock(&self.sessions).get_mut(session).is_none() {
            return Err(OpenError::UnknownSession(session));
        }
        let found = layout.fingerprint();
        let model = self.model_or_make(layout)?;
        if model.fingerprint != found {
            return Err(OpenError::WrongLayout {
                expected: model.fingerprint.clone(),
                found,
            });
        }
        let mut sessions = lock(&self.sessions);
        let open = sessions.count_open() + 1;
        self.refuse_without_room(model, open)?;
        // It may have left meanwhile; nobody must wait for it then.
        sessions
            .set_open(session)
            .map_err(OpenError::UnknownSession)?;
        model.pace.open(session, self.now());
        Ok(())
    }

    /// A round holds one gradient of each session: where they do not fit it would never end.
    fn refuse_without_room(&self, model: &Model, sessions: usize) -> Result<(), OpenError> {
        match &model.pace {
            Pace::Synchronous(_) if sessions > model.budget.limit() => Err(OpenError::NoRoom {
                sessions,
                needed_bytes: sessions as u64 * model.budget.gradient_bytes(),
                budget_bytes: self.experiment.learner.bytes_in_flight,
            }),
            _ => Ok(()),
        }
    }

    /// Ends a session: nobody waits for it any more, and its part in an open round is withdrawn.
    pub fn leave(&self, session: SessionId) {
        let mut sessions = lock(&self.sessions);
        let left = sessions.leave(session);
        self.metrics()
            .sessions_left
            .inc_by(u64::from(left.is_some()));
        self.metrics().sessions.set(sessions.len() as i64);
        if let Some(model) = self.model.get() {
            model.pace.leave(session);
        }
        drop(sessions);
        if let Some(left) = left {
            self.note(left.farewell(session));
        }
    }

    /// Notes for the event log what has happened; false where there has been enough of its kind.
    pub(crate) fn note(&self, occurrence: Occurrence) -> bool {
        self.recorder.note(occurrence, self.now())
    }

    /// What has happened since the last call, for the event log.
    pub(crate) fn take_events(&self) -> VecDeque<RunEvent> {
        self.recorder.take_events()
    }

    /// Where this life of the run begins; asked before anything is counted.
    pub(crate) fn life_start(&self) -> LifeStart {
        LifeStart {
            epoch: self.epoch,
            env_steps: self.env_steps(),
            unix_seconds: self.recorder.unix_seconds(Duration::ZERO),
        }
    }

    /// The history's next point: it holds what happened since the one before.
    pub(crate) fn progress_point(&self) -> ProgressPoint {
        let point = self.recorder.point(self.now());
        ProgressPoint {
            learning_rate: Some(self.rate.at(point.env_steps)),
            sessions: Some(lock(&self.sessions).len() as u64),
            ..point
        }
    }

    fn finish_if_done(&self) {
        if let Some(reason) = self.recorder.end(&self.experiment.experiment) {
            self.finish(reason);
        }
    }

    /// Ends the run: no gradient is admitted any more, workers are told to stop.
    pub fn finish(&self, reason: String) {
        let finished = Occurrence::info("run finished").with("reason", reason.as_str());
        let changed = self.phase.send_if_modified(|phase| {
            let open = !matches!(phase, Phase::Finished(_));
            if open {
                *phase = Phase::Finished(reason);
            }
            open
        });
        if changed {
            self.note(finished);
        }
    }

    /// Lets this life end while the run may go on in another: workers are told to come back later.
    pub fn drain(&self, reason: String) {
        let draining = Occurrence::info("draining").with("reason", reason.as_str());
        let changed = self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Draining(reason);
            }
            running
        });
        if changed {
            self.note(draining);
        }
    }

    /// The gradients applied in this life by their staleness.
    pub(crate) fn staleness_histogram(&self) -> Vec<StalenessBucket> {
        self.recorder.staleness_histogram()
    }

    /// What the run has done so far.
    pub fn progress(&self) -> ProgressView {
        self.recorder.view(self.now())
    }

    /// Brings metrics that move with time alone up to date; called before they are read.
    pub fn refresh_metrics(&self) {
        if let Some(model) = self.model.get() {
            let age = model.publisher.age_of_newest(self.now());
            self.metrics().weights_age.set(age.as_secs_f64());
            self.refresh_waits(&model.pace);
        }
        let metrics = self.metrics();
        metrics.run_env_steps.set(of_count(self.recorder.steps().0));
        metrics.set_phase(&self.phase.borrow());
        metrics.reads.send_modify(|reads| *reads += 1);
    }

    /// The live sessions.
    pub fn sessions(&self) -> Vec<v1::Session> {
        let now = self.now();
        lock(&self.sessions)
            .iter()
            .map(|(id, session)| session.view(id, now))
            .collect()
    }

    /// Everything that a restart needs; none before the first session has opened.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let model = self.model.get()?;
        // The version is read first: a copy may hold newer updates, never fewer.
        let version = model.version();
        let counters = self.progress().counters;
        let copy = model.parameters.copy();
        let target = self
            .published
            .borrow()
            .as_ref()
            .and_then(|weights| weights.target.clone());
        let names = model
            .parameters
            .rule()
            .state_names()
            .iter()
            .map(ToString::to_string);
        let state = CheckpointState {
            epoch: self.epoch,
            version,
            counters,
            layout: model.layout.clone(),
            target_taken_at_version: None,
        };
        let optimizer = names.zip(copy.state).collect();
        Some(
            Checkpoint {
                state,
                parameters: copy.parameters,
                optimizer,
                target: None,
                observations: self.observations.newest().map(Arc::unwrap_or_clone),
            }
            .with_target(target),
        )
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Now, in seconds since 1970.
pub(crate) fn unix_seconds() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

/// What a model begins with.
struct Beginning {
    layout: Layout,
    parameters: Vec<f32>,
    /// The optimiser's vectors, in the order of its names; empty for a fresh start.
    optimizer: Vec<Vec<f32>>,
    version: u64,
    target: Option<Target>,
}

/// Networks that were trained on normalised observations are of no use with raw ones, and the other
/// way round.
fn refuse_other_observations(
    experiment: &Experiment,
    checkpoint: &Checkpoint,
) -> Result<(), ResumeError> {
    let began_with = checkpoint.observations.is_some();
    if experiment.environment.normalize_observations == began_with {
        return Ok(());
    }
    Err(ResumeError::OtherObservations { began_with })
}

/// The vectors that the experiment's optimiser goes on with.
fn optimizer_state(
    experiment: &Experiment,
    checkpoint: &Checkpoint,
) -> Result<Vec<Vec<f32>>, ResumeError> {
    let rule = Rule::new(&experiment.optimizer);
    let vector = |name: &&str| {
        let found = checkpoint.optimizer.get(*name).cloned();
        found.ok_or_else(|| ResumeError::NoOptimizerState {
            missing: (*name).to_owned(),
            found: checkpoint
                .optimizer
                .keys()
                .cloned()
                .collect::<Vec<_>>()
                .join(", "),
        })
    };
    rule.state_names().iter().map(vector).collect()
}
