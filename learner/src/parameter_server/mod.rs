//! The parameter server: composes the ledger of a run with the shard that holds its parameters.

mod barrier;
mod checkpoint;
mod cut;
#[cfg(test)]
mod evaluation_tests;
mod first_parameters;
#[cfg(test)]
mod first_parameters_tests;
mod gradients;
mod intake;
mod last_weights;
mod model;
#[cfg(test)]
mod observation_tests;
mod over;
mod pace;
mod replays;
#[cfg(test)]
mod report_tests;
mod restart;
mod rounds;
mod rounds_over_shards;
mod shards;
mod snapshot;
mod target_age;
#[cfg(test)]
mod tests;
mod told_barrier;
mod told_rounds;
mod turns;
mod waiting;

pub use checkpoint::{Checkpoint, CheckpointState};
pub(crate) use cut::TakenPart;

use std::sync::{Arc, Mutex, OnceLock};

use tokio::sync::watch;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::role::Role;
use troop_common::weights::{Target, Weights};

use crate::answers::{
    JoinError, Joined, OpenError, Phase, SessionId, SessionView, WorkerIntroduction,
};
use crate::cut::{CutGate, Lines};
use crate::ledger::{Carried, Ledger, ProgressView};
use crate::life_clock::LifeClock;
use crate::metrics::{Metrics, of_count};
use crate::policy::round::RoundEnd;
use crate::shard::budget::Room;
use crate::shard::{Shard, ShardLife};
use model::Model;
use pace::Pace;
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
    /// Where gradients wait while a cut is made.
    gate: CutGate,
    /// To the other shards.
    lines: Lines,
    /// Held while something is made with them: a checkpoint, or a round's step.
    with_shards: tokio::sync::Mutex<()>,
    /// What they begin with, until all have begun.
    beginning: Mutex<Option<Arc<Checkpoint>>>,
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
            gate: CutGate::default(),
            lines: Lines::default(),
            with_shards: tokio::sync::Mutex::default(),
            beginning: Mutex::default(),
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
            pace: Pace::new(&self.experiment.learner, self.shard, version),
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
        self.take_in(WorkerIntroduction {
            name: worker,
            peer,
            role,
            life: 0,
        })
    }

    /// Opens a session for a worker.
    ///
    /// # Errors
    /// If the learner is full, draining, or done.
    pub fn take_in(&self, worker: WorkerIntroduction) -> Result<Joined, JoinError> {
        self.ledger.join(worker)
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
        self.gate.open(session);
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
            Pace::Synchronous(_) | Pace::Told(_) if sessions > budget.limit() => {
                Err(OpenError::NoRoom {
                    sessions,
                    needed_bytes: sessions as u64 * budget.gradient_bytes(),
                    budget_bytes: self.experiment.learner.bytes_in_flight,
                })
            }
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

    /// Ends a session: nobody waits for it any more, and its part in an open round is withdrawn.
    pub fn leave(&self, session: SessionId) {
        self.leave_told_rounds(session);
        self.gate.leave(session);
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

    /// How many of those who have come have not said goodbye and not heard how the run ended: workers, replays and shards.
    /// One that was lost longer ago than `actor.give_up_after_s` has given up.
    pub fn unheard(&self) -> usize {
        self.ledger.unheard()
    }

    /// Completes once there is none of them.
    pub async fn all_have_heard(&self) {
        self.ledger.all_have_heard().await;
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
