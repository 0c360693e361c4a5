//! The parameter server: composes what decides with the parameters, the counters and the metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{self, Verdict};
use troop_common::weights::{Target, Weights};

use crate::admission::{Admission, Refusal, reason};
use crate::answers::{JoinError, Joined, OpenError, Outcome, Phase};
use crate::checkpoint::{Checkpoint, CheckpointState};
use crate::clock::{PublishClock, TargetClock};
use crate::gradient::Gradient;
use crate::metrics::Metrics;
use crate::optimizer::{Rule, Step};
use crate::parameters::StripedParameters;
use crate::progress::{Counters, Progress, ProgressView};
use crate::publisher::Publisher;
use crate::schedule::LearningRate;
use crate::session::{Session, SessionId, Sessions};

/// The parameters of a run, known once the first session has opened or a checkpoint was loaded.
struct Model {
    layout: Layout,
    fingerprint: String,
    parameters: StripedParameters,
    version: AtomicU64,
    publisher: Mutex<Publisher>,
}

/// Owns the parameters and the optimiser's state, admits and applies gradients, publishes weights.
///
/// It is shared by all sessions; every call may come from any thread.
pub struct ParameterServer {
    experiment: Experiment,
    epoch: u64,
    rate: LearningRate,
    started: Instant,
    model: OnceLock<Model>,
    sessions: Mutex<Sessions>,
    progress: Mutex<Progress>,
    published: watch::Sender<Option<Arc<Weights>>>,
    phase: watch::Sender<Phase>,
    metrics: Metrics,
}

impl ParameterServer {
    /// A fresh run.
    pub fn new(experiment: Experiment, metrics: Metrics) -> Self {
        Self::with_counters(experiment, metrics, 1, Counters::default())
    }

    /// A run that goes on from `checkpoint`, one epoch later.
    pub fn resume(experiment: Experiment, metrics: Metrics, checkpoint: Checkpoint) -> Self {
        let epoch = checkpoint.state.epoch + 1;
        Self::in_life(experiment, metrics, epoch, Some(checkpoint))
    }

    /// A given life of a run, from a checkpoint of an earlier one where there is any. A life that
    /// ended without a checkpoint counts too: its gradients must not be admitted in the next.
    pub fn in_life(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        checkpoint: Option<Checkpoint>,
    ) -> Self {
        match checkpoint {
            None => Self::with_counters(experiment, metrics, epoch, Counters::default()),
            Some(checkpoint) => Self::from_checkpoint(experiment, metrics, epoch, checkpoint),
        }
    }

    fn from_checkpoint(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        checkpoint: Checkpoint,
    ) -> Self {
        let state = checkpoint.state;
        let server = Self::with_counters(experiment, metrics, epoch, state.counters);
        let names = Rule::new(&server.experiment.optimizer).state_names();
        let optimizer: Vec<Vec<f32>> = names
            .iter()
            .filter_map(|name| checkpoint.optimizer.get(*name).cloned())
            .collect();
        let model = server.make_model(
            state.layout,
            &checkpoint.parameters,
            &optimizer,
            state.version,
        );
        server.metrics.version.set(state.version as i64);
        let target = checkpoint.target.map(|parameters| Target {
            taken_at_version: state.target_taken_at_version.unwrap_or(state.version),
            parameters,
        });
        server.set_model(model, target);
        server.finish_if_done();
        server
    }

    fn with_counters(
        experiment: Experiment,
        metrics: Metrics,
        epoch: u64,
        counters: Counters,
    ) -> Self {
        metrics.epoch.set(epoch as i64);
        let run = &experiment.experiment;
        Self {
            rate: LearningRate::new(&experiment.optimizer, run.total_env_steps),
            progress: Mutex::new(Progress::new(counters, run.solve_return)),
            epoch,
            started: Instant::now(),
            model: OnceLock::new(),
            sessions: Mutex::default(),
            published: watch::Sender::new(None),
            phase: watch::Sender::new(Phase::Running),
            metrics,
            experiment,
        }
    }

    fn make_model(
        &self,
        layout: Layout,
        parameters: &[f32],
        state: &[Vec<f32>],
        version: u64,
    ) -> Model {
        let settings = &self.experiment;
        let frames = lock(&self.progress).counters().frames;
        let rule = Rule::new(&settings.optimizer);
        let now = self.now();
        Model {
            fingerprint: layout.fingerprint(),
            parameters: StripedParameters::new(rule, parameters, state, settings.learner.stripes),
            layout,
            version: AtomicU64::new(version),
            publisher: Mutex::new(Publisher::new(
                PublishClock::new(settings.learner.publish, version, now),
                settings
                    .method
                    .target_sync()
                    .map(|rule| TargetClock::new(rule, frames, version)),
                now,
            )),
        }
    }

    fn set_model(&self, model: Model, target: Option<Target>) -> &Model {
        let model = self.model.get_or_init(|| model);
        let mut publisher = lock(&model.publisher);
        if self.published.borrow().is_none() {
            self.publish(model, &mut publisher, target);
        }
        drop(publisher);
        model
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
        &self.metrics
    }

    /// The published weights, latest wins; none before the first session has opened.
    pub fn published(&self) -> watch::Receiver<Option<Arc<Weights>>> {
        self.published.subscribe()
    }

    /// Where the learner is in its life.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Updates applied so far in the run.
    pub fn version(&self) -> u64 {
        self.model
            .get()
            .map_or(0, |model| model.version.load(Ordering::Acquire))
    }

    /// Elements of the parameter vector; none before the first session has opened.
    pub fn elements(&self) -> Option<usize> {
        self.model.get().map(|model| model.parameters.len())
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
        let (session, worker_index) = sessions.join(worker, peer);
        self.metrics.sessions.set(sessions.len() as i64);
        Ok(Joined {
            session,
            epoch: self.epoch,
            worker_index,
        })
    }

    /// Says what a session's parameters look like. The first layout of a run defines it, and the
    /// first parameters are drawn by it.
    ///
    /// # Errors
    /// Where the session is unknown or its layout is another than the run's.
    pub fn open(&self, session: SessionId, layout: Layout) -> Result<(), OpenError> {
        if lock(&self.sessions).get_mut(session).is_none() {
            return Err(OpenError::UnknownSession(session));
        }
        let found = layout.fingerprint();
        let model = self.model.get().unwrap_or_else(|| {
            let first = layout.initialize(self.experiment.experiment.seed);
            self.set_model(self.make_model(layout, &first, &[], 0), None)
        });
        if model.fingerprint == found {
            Ok(())
        } else {
            Err(OpenError::WrongLayout {
                expected: model.fingerprint.clone(),
                found,
            })
        }
    }

    /// Ends a session.
    pub fn leave(&self, session: SessionId) {
        let mut sessions = lock(&self.sessions);
        sessions.leave(session);
        self.metrics.sessions.set(sessions.len() as i64);
    }

    /// Admits a gradient and applies it, or says why not. What `report` tells is counted unless
    /// the gradient is a duplicate or belongs to another life of the run.
    pub fn push(
        &self,
        session: SessionId,
        gradient: &Gradient<'_>,
        report: &v1::Report,
    ) -> Outcome {
        let result = self.admit_and_apply(session, gradient, report);
        let verdict = result
            .as_ref()
            .map_or_else(|refusal| refusal.verdict, |_| Verdict::Applied);
        self.record_outcome(session, &result);
        if verdict == Verdict::Applied {
            Outcome {
                verdict,
                detail: String::new(),
            }
        } else {
            Outcome {
                verdict,
                detail: result
                    .err()
                    .map_or_else(String::new, |refusal| refusal.detail),
            }
        }
    }

    /// Counts a gradient that did not even arrive whole.
    pub fn count_malformed(&self, session: SessionId) {
        self.record_outcome(session, &Err(Refusal::new(Verdict::Malformed, "")));
    }

    fn admit_and_apply(
        &self,
        session: SessionId,
        gradient: &Gradient<'_>,
        report: &v1::Report,
    ) -> Result<u64, Refusal> {
        if let Phase::Draining(reason) | Phase::Finished(reason) = &*self.phase.borrow() {
            return Err(Refusal::new(Verdict::Closed, reason.clone()));
        }
        let Some(model) = self.model.get() else {
            return Err(Refusal::new(
                Verdict::Malformed,
                "the session sent a gradient before it opened",
            ));
        };
        let admission = Admission {
            epoch: self.epoch,
            elements: model.parameters.len(),
            max_staleness: self.experiment.learner.max_staleness_updates,
        };
        self.advance_sequence(session, gradient, &admission)?;
        let rate = self.count(session, report);
        let norm = admission.check_values(gradient)?;
        let staleness =
            admission.check_staleness(gradient, model.version.load(Ordering::Acquire))?;
        self.apply(model, gradient, norm, rate, staleness);
        self.metrics.gradient_norm.observe(norm);
        self.finish_if_done();
        Ok(staleness)
    }

    /// Under one lock, so that a sequence number passes once.
    fn advance_sequence(
        &self,
        session: SessionId,
        gradient: &Gradient<'_>,
        admission: &Admission,
    ) -> Result<(), Refusal> {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(session) else {
            return Err(Refusal::new(
                Verdict::WrongEpoch,
                format!("session {session} is not known in this epoch"),
            ));
        };
        admission.check_origin(gradient, session.last_sequence)?;
        session.last_sequence = gradient.sequence;
        Ok(())
    }

    /// Counts a report; gives the learning rate for the gradient that came with it.
    fn count(&self, session: SessionId, report: &v1::Report) -> f64 {
        if let Some(session) = lock(&self.sessions).get_mut(session) {
            session.env_steps += report.env_steps;
        }
        let mut progress = lock(&self.progress);
        // The step is taken at the rate of the moment at which its experience began.
        let rate = self.rate.at(progress.counters().env_steps);
        let solved = progress.record_report(report, self.now());
        let counters = progress.counters();
        if solved {
            tracing::info!(
                env_steps = counters.env_steps,
                seconds = counters.seconds_to_solve,
                "task solved"
            );
        }
        self.record_report_metrics(report, &progress, rate);
        rate
    }

    fn apply(&self, model: &Model, gradient: &Gradient<'_>, norm: f64, rate: f64, staleness: u64) {
        let scale = match self.experiment.optimizer.max_gradient_norm {
            Some(limit) if norm > limit => limit / norm,
            _ => 1.0,
        };
        let timer = self.metrics.apply_seconds.start_timer();
        model.parameters.apply(&Step {
            gradient: gradient.values,
            scale: scale as f32,
            rate: rate as f32,
            number: model.version.load(Ordering::Acquire) + 1,
            compensation: None,
        });
        timer.observe_duration();
        // Counted before anybody can see the new version.
        lock(&self.progress).record_update(staleness);
        self.metrics.gradients_applied.inc();
        self.metrics.gradient_staleness.observe(staleness as f64);
        let version = model.version.fetch_add(1, Ordering::AcqRel) + 1;
        self.metrics.version.set(version as i64);
        let now = self.now();
        let mut publisher = lock(&model.publisher);
        self.metrics
            .gradient_age
            .observe(publisher.age(gradient.version, now).as_secs_f64());
        if publisher.clock.due(version, now) {
            let target = self
                .published
                .borrow()
                .as_ref()
                .and_then(|weights| weights.target.clone());
            self.publish(model, &mut publisher, target);
        }
    }

    /// Copies the parameters while others may apply, and makes the copy the newest weights.
    /// `target` is the one so far; where its clock says so, this copy takes its place.
    fn publish(&self, model: &Model, publisher: &mut Publisher, target: Option<Target>) {
        let version = model.version.load(Ordering::Acquire);
        let counters = lock(&self.progress).counters().clone();
        let parameters = publisher.copy(&model.parameters);
        let target = publisher.target_clock.as_mut().map(|clock| {
            let fresh = || Target {
                taken_at_version: version,
                parameters: Arc::clone(&parameters),
            };
            match (clock.due(counters.frames, version), target) {
                (false, Some(target)) => target,
                _ => fresh(),
            }
        });
        let now = self.now();
        publisher.remember(version, now);
        let weights = Weights {
            epoch: self.epoch,
            version,
            env_steps: counters.env_steps,
            parameters,
            target,
        };
        self.published.send_replace(Some(Arc::new(weights)));
        self.metrics.publishes.inc();
    }

    fn record_outcome(&self, session: SessionId, result: &Result<u64, Refusal>) {
        let now = self.now();
        let mut sessions = lock(&self.sessions);
        if let Some(session) = sessions.get_mut(session) {
            session.last_gradient_at = Some(now);
            match result {
                Ok(staleness) => {
                    session.gradients_applied += 1;
                    session.staleness_updates = *staleness;
                }
                Err(_) => session.gradients_rejected += 1,
            }
        }
        drop(sessions);
        if let Err(refusal) = result {
            lock(&self.progress).record_rejection(refusal.verdict);
            self.metrics
                .gradients_rejected
                .with_label_values(&[reason(refusal.verdict)])
                .inc();
        }
    }

    fn record_report_metrics(&self, report: &v1::Report, progress: &Progress, rate: f64) {
        let metrics = &self.metrics;
        metrics.env_steps.inc_by(report.env_steps);
        metrics.frames.inc_by(report.frames);
        metrics.episodes.inc_by(report.episodes.len() as u64);
        metrics
            .environment_restarts
            .inc_by(report.environment_restarts);
        metrics.learning_rate.set(rate);
        for episode in &report.episodes {
            metrics.episode_length.observe(episode.length as f64);
            // One that is not finite would spoil the histogram's sum for good.
            if episode.return_sum.is_finite() {
                metrics.episode_return.observe(episode.return_sum);
            }
        }
        if let Some(mean) = progress
            .counters()
            .return_mean_100()
            .filter(|_| !report.episodes.is_empty())
        {
            metrics.episode_return_mean.set(mean);
        }
        let followed = |term: &&v1::LossTerm| progress.follows_loss(&term.term);
        for term in report.losses.iter().filter(followed) {
            metrics
                .loss
                .with_label_values(&[term.term.as_str()])
                .set(term.value);
        }
    }

    fn finish_if_done(&self) {
        let run = &self.experiment.experiment;
        let progress = lock(&self.progress);
        let counters = progress.counters();
        let reason = if counters.env_steps >= run.total_env_steps {
            format!("all {} env steps are done", run.total_env_steps)
        } else if run.stop_when_solved && counters.seconds_to_solve.is_some() {
            "the task is solved".to_owned()
        } else {
            return;
        };
        drop(progress);
        self.finish(reason);
    }

    /// Ends the run: no gradient is admitted any more, workers are told to stop.
    pub fn finish(&self, reason: String) {
        self.phase.send_if_modified(|phase| {
            let open = !matches!(phase, Phase::Finished(_));
            if open {
                *phase = Phase::Finished(reason);
            }
            open
        });
    }

    /// Lets this life end while the run may go on in another: workers are told to come back later.
    pub fn drain(&self, reason: String) {
        self.phase.send_if_modified(|phase| {
            let running = *phase == Phase::Running;
            if running {
                *phase = Phase::Draining(reason);
            }
            running
        });
    }

    /// What the run has done so far.
    pub fn progress(&self) -> ProgressView {
        lock(&self.progress).view(self.now())
    }

    /// Brings metrics that move with time alone up to date; called before they are read.
    pub fn refresh_metrics(&self) {
        if let Some(model) = self.model.get() {
            let age = self.now().saturating_sub(lock(&model.publisher).last_at);
            self.metrics.weights_age.set(age.as_secs_f64());
        }
    }

    /// The live sessions.
    pub fn sessions(&self) -> Vec<v1::Session> {
        let now = self.now();
        lock(&self.sessions)
            .iter()
            .map(|(id, session)| session_view(id, session, now))
            .collect()
    }

    /// Everything that a restart needs; none before the first session has opened.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let model = self.model.get()?;
        // The version is read first: a copy may hold newer updates, never fewer.
        let version = model.version.load(Ordering::Acquire);
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
            }
            .with_target(target),
        )
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

fn session_view(id: SessionId, session: &Session, now: Duration) -> v1::Session {
    v1::Session {
        session: id,
        worker: session.worker.clone(),
        peer: session.peer.clone(),
        worker_index: session.worker_index,
        env_steps: session.env_steps,
        gradients_applied: session.gradients_applied,
        gradients_rejected: session.gradients_rejected,
        staleness_updates: session.staleness_updates,
        seconds_since_last_gradient: session
            .last_gradient_at
            .map_or(0.0, |at| now.saturating_sub(at).as_secs_f64()),
    }
}

/// Counters and tables stay usable where a thread that held them panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
