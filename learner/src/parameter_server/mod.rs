//! The parameter server: composes the ledger of a run with the shard that holds its parameters.

mod checkpoint;
#[cfg(test)]
mod evaluation_tests;
mod first_parameters;
#[cfg(test)]
mod first_parameters_tests;
mod intake;
mod last_weights;
mod model;
#[cfg(test)]
mod observation_tests;
mod pace;
mod replays;
#[cfg(test)]
mod report_tests;
mod restart;
mod rounds;
mod shards;
mod snapshot;
mod target_age;
#[cfg(test)]
mod tests;
mod turns;
mod waiting;

pub use checkpoint::{Checkpoint, CheckpointState};

use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::role::Role;
use troop_common::weights::{Target, Weights};

use crate::answers::{
    JoinError, Joined, OpenError, Outcome, Phase, Refusal, SessionId, SessionView, Verdict,
};
use crate::ledger::{Carried, Ledger, ProgressView};
use crate::life_clock::LifeClock;
use crate::metrics::{Metrics, of_count};
use crate::policy::round::RoundEnd;
use crate::shard::budget::Room;
use crate::shard::gradient::Gradient;
use crate::shard::{Shard, ShardLife};
use intake::Intake;
use model::Model;
use pace::Pace;
use rounds::RoundIntake;
use snapshot::snapshot;

/// Takes the gradients of a run's workers, and publishes weights.
///
/// It is shared by all sessions; every call may come from any thread.
pub struct ParameterServer {
    experiment: Experiment,
    /// Which shard of the run it is; 0 is the lead, or the only one.
    shard: usize,
    ledger: Ledger,
    model: OnceLock<Model>,
    /// Held while the model is made, so that it is made once.
    making: Mutex<()>,
    /// Held while its parameters are drawn elsewhere.
    drawing: tokio::sync::Mutex<()>,
    published: watch::Sender<Option<Arc<Weights>>>,
    /// It was warned that the target network is refreshed too often.
    warned_of_target: OnceLock<()>,
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

impl ParameterServer {
    /// A fresh run.
    pub fn new(experiment: Experiment, metrics: Metrics) -> Self {
        Self::begin(experiment, metrics, 1, Carried::default())
    }

    fn begin(experiment: Experiment, metrics: Metrics, epoch: u64, carried: Carried) -> Self {
        let limit = experiment.learner.max_staleness_updates;
        metrics.max_staleness.set(of_count(limit));
        // There from the start: the rate of what never happened is 0, not nothing.
        for end in RoundEnd::ALL {
            metrics.rounds.with_label_values(&[end.name()]);
        }
        for role in Role::ALL {
            metrics.role_sessions.with_label_values(&[role.name()]);
        }
        let clock = LifeClock::start();
        Self {
            ledger: Ledger::new(&experiment, metrics, epoch, clock, carried),
            model: OnceLock::new(),
            making: Mutex::default(),
            drawing: tokio::sync::Mutex::default(),
            published: watch::Sender::new(None),
            warned_of_target: OnceLock::new(),
            shard: 0,
            experiment,
        }
    }

    /// Makes the model and publishes its parameters, if nobody has made it before.
    fn make_model(&self, beginning: Beginning) -> &Model {
        let Beginning {
            layout,
            parameters,
            optimizer,
            version,
            target,
        } = beginning;
        let first = snapshot(&self.ledger, version);
        let life = || ShardLife {
            epoch: self.epoch(),
            clock: self.ledger.clock(),
            metrics: self.metrics().clone(),
            published: self.published.clone(),
        };
        let model = self.model.get_or_init(|| Model {
            fingerprint: layout.fingerprint(),
            layout,
            shard: Shard::new(&self.experiment, life(), &parameters, &optimizer, &first),
            pace: Pace::new(&self.experiment.learner, version),
        });
        model.shard.publish_first(first, parameters, target);
        model
    }

    /// The experiment that this run executes.
    pub fn experiment(&self) -> &Experiment {
        &self.experiment
    }

    /// What is counted and noted of this run.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The learner's life within the run, counted from 1.
    pub fn epoch(&self) -> u64 {
        self.ledger.life().epoch()
    }

    /// The learner's metrics.
    pub fn metrics(&self) -> &Metrics {
        self.ledger.metrics()
    }

    /// The published weights, latest wins; none before the first session has opened.
    pub fn published(&self) -> watch::Receiver<Option<Arc<Weights>>> {
        self.published.subscribe()
    }

    /// Notes that a receiver is being sent the publish of `version`, which stays in memory for it.
    pub(crate) fn sending(&self, version: u64) {
        if let Some(model) = self.model.get() {
            model.shard.being_read(version);
        }
    }

    /// Where the learner is in its life.
    pub fn phase(&self) -> watch::Receiver<Phase> {
        self.ledger.life().phase()
    }

    /// Updates applied so far in the run.
    pub fn version(&self) -> u64 {
        self.model.get().map_or(0, |model| model.shard.version())
    }

    /// Elements of the parameter vector; none before the first session has opened.
    pub fn elements(&self) -> Option<usize> {
        self.model.get().map(|model| model.shard.elements())
    }

    /// What every session's layout must look like; none before the first session has opened.
    pub fn fingerprint(&self) -> Option<&str> {
        self.model.get().map(|model| model.fingerprint.as_str())
    }

    /// Opens a session for `worker`, which acts and trains and calls from `peer`.
    ///
    /// # Errors
    /// If the learner is full, draining, or done.
    pub fn join(&self, worker: String, peer: String) -> Result<Joined, JoinError> {
        self.join_as(Role::Bundled, worker, peer)
    }

    /// Opens a session for `worker`, which does what `role` says and calls from `peer`.
    ///
    /// # Errors
    /// If the learner is full, draining, or done.
    pub fn join_as(&self, role: Role, worker: String, peer: String) -> Result<Joined, JoinError> {
        self.ledger.join(worker, peer, role)
    }

    /// Says what a session's parameters look like. The first layout of a run defines it, and the
    /// first parameters are drawn by it: on this thread, unless [`Self::prepare`] has done that.
    ///
    /// # Errors
    /// If the session is unknown, its layout is another than the run's or cannot be one's, there is
    /// no memory for a round of so many, or the learner closes.
    pub fn open(&self, session: SessionId, layout: Layout) -> Result<(), OpenError> {
        if self.ledger.sessions().get_mut(session).is_none() {
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
        let mut sessions = self.ledger.sessions();
        let training = sessions.open().training() + 1;
        self.refuse_without_room(model, training)?;
        // It may have left meanwhile; nobody must wait for it then.
        let role = self.ledger.open(session, &mut sessions)?;
        if role.trains() {
            model.pace.open(session, self.ledger.now());
        }
        let workers = sessions.trainers() as u64;
        drop(sessions);
        // All workers join before the first of them opens its session, as a rule.
        let warned = &self.warned_of_target;
        target_age::warn_once(warned, &self.experiment, workers, &self.ledger);
        Ok(())
    }

    /// A round holds one gradient of each session: if they do not fit it would never end.
    fn refuse_without_room(&self, model: &Model, sessions: usize) -> Result<(), OpenError> {
        let budget = model.shard.budget();
        match &model.pace {
            Pace::Synchronous(_) if sessions > budget.limit() => Err(OpenError::NoRoom {
                sessions,
                needed_bytes: sessions as u64 * budget.gradient_bytes(),
                budget_bytes: self.experiment.learner.bytes_in_flight,
            }),
            _ => Ok(()),
        }
    }

    /// Waits until `session` may begin another gradient, if the fast wait for the slow: before it
    /// takes weights, so that it computes on those of its turn. Gives the version of the weights that
    /// it should compute on at least, which is published already or about to be; none if nobody waits.
    ///
    /// It ends when the learner closes.
    pub async fn turn(&self, session: SessionId) -> Option<u64> {
        match self.model.get() {
            Some(model) => self.intake(model).turn(session).await,
            None => None,
        }
    }

    /// Room for a gradient, one at a time for a session. Waits for it in `learner.bytes_in_flight`.
    ///
    /// Before the first session has opened there is no layout, and no room.
    pub async fn room(&self) -> Room {
        match self.model.get() {
            Some(model) => self.intake(model).room().await,
            None => Room::default(),
        }
    }

    /// Admits a gradient and applies it, or says why not; in the synchronous mode once its round
    /// is over. What `report` tells is counted unless the gradient is a duplicate, belongs to
    /// another life of the run, or comes when the learner is closed; or it cannot be true.
    ///
    /// If the future is dropped while it waits for the round, the session leaves: nobody waits
    /// for it, and its gradient is not applied.
    pub async fn push(
        &self,
        session: SessionId,
        gradient: Gradient,
        report: &v1::Report,
    ) -> Outcome {
        let intake = match self.admit(session, &gradient) {
            Ok(intake) => intake,
            Err(refusal) => return self.refuse(session, refusal),
        };
        if let Err(refused) = intake.check_report(session, report) {
            return refused;
        }
        match &intake.model.pace {
            Pace::Synchronous(barrier) => {
                let round = RoundIntake { intake, barrier };
                round.push(session, gradient, report).await
            }
            Pace::Free | Pace::Bound(_) => intake.push(session, gradient, report),
        }
    }

    /// Counts a report that comes without a gradient, of a worker that acts or evaluates only. Its number,
    /// `sequence`, counts up with those of the session's gradients. An evaluation counts also once the run is over.
    pub fn report(
        &self,
        session: SessionId,
        epoch: u64,
        sequence: u64,
        report: &v1::Report,
    ) -> Outcome {
        let is_open = match report.evaluation {
            // One with the weights that the run ended with.
            Some(_) if self.ledger.life().is_finished() => Ok(()),
            _ => self.ledger.life().refuse_if_closed(),
        };
        let admitted = is_open.and_then(|()| self.made_model()).and_then(|model| {
            self.ledger.admit(session, epoch, sequence)?;
            Ok(self.intake(model))
        });
        match admitted {
            Ok(intake) => intake.report(session, report),
            Err(refusal) => self.refuse(session, refusal),
        }
    }

    /// Counts a gradient that did not even arrive whole; `detail` says what was wrong.
    pub fn malformed(&self, session: SessionId, detail: String) -> Outcome {
        self.refuse(session, Refusal::new(Verdict::Malformed, detail))
    }

    fn refuse(&self, session: SessionId, refusal: Refusal) -> Outcome {
        if let Some(model) = self.model.get() {
            model.pace.pass(session, self.ledger.now());
        }
        self.ledger.answer(session, Err(refusal), self.version())
    }

    /// Checks who sent a gradient and what for.
    fn admit(&self, session: SessionId, gradient: &Gradient) -> Result<Intake<'_>, Refusal> {
        let model = self.opened_model()?;
        model.shard.check_elements(gradient)?;
        let origin = gradient.origin;
        self.ledger.admit(session, origin.epoch, origin.sequence)?;
        Ok(self.intake(model))
    }

    fn opened_model(&self) -> Result<&Model, Refusal> {
        self.ledger.life().refuse_if_closed()?;
        self.ledger.refuse_beyond_the_end()?;
        self.made_model()
    }

    fn made_model(&self) -> Result<&Model, Refusal> {
        self.model.get().ok_or_else(|| {
            let detail = "the session sent something before it opened";
            Refusal::new(Verdict::Malformed, detail)
        })
    }

    fn intake<'a>(&'a self, model: &'a Model) -> Intake<'a> {
        let ledger = &self.ledger;
        Intake { ledger, model }
    }

    /// Ends a session: nobody waits for it any more, and its part in an open round is withdrawn.
    pub fn leave(&self, session: SessionId) {
        self.ledger.leave(session, || {
            if let Some(model) = self.model.get() {
                model.pace.leave(session);
            }
        });
    }

    /// Ends the run: no gradient is admitted any more, workers are told to stop.
    pub fn finish(&self, reason: String) {
        self.ledger.finish(reason);
    }

    /// Lets this life end while the run may go on in another: workers are told to come back later.
    pub fn drain(&self, reason: String) {
        self.ledger.drain(reason);
    }

    /// What the run has done so far.
    pub fn progress(&self) -> ProgressView {
        self.ledger.progress()
    }

    /// The live sessions.
    pub fn sessions(&self) -> Vec<SessionView> {
        self.ledger.session_views()
    }

    /// Brings metrics that move with time alone up to date; called before they are read.
    pub fn refresh_metrics(&self) {
        let metrics = self.metrics();
        if let Some(model) = self.model.get() {
            let age = model.shard.age_of_newest();
            metrics.weights_age.set(age.as_secs_f64());
            waiting::refresh(metrics, &model.pace.waits(), self.ledger.now());
        }
        self.ledger.refresh_metrics();
        metrics.reads.send_modify(|reads| *reads += 1);
    }
}
