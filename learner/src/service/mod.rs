//! The gRPC service around a [`ParameterServer`].

mod attached_part;
mod attachment;
mod broadcast;
mod calls;
mod conversions;
mod ending;
mod gradient_reader;
mod lingering;
mod loneliness;
mod open_session;
mod outbox;
mod serve;
mod shard_follower;
mod shard_news;
mod stall;
mod statuses;
mod transfer;
mod unopened;
mod weights_stream;
mod whole_norm;

pub use calls::Calls;
pub use lingering::Lingering;
pub use serve::{serve, serve_connections};
pub use shard_follower::ShardFollower;
pub use troop_common::serving::{Listener, ServerTls, bind};

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::{Stream, StreamExt};
use tonic::Status;
use tonic::body::Body;
use tracing::Instrument;
use troop_common::bounds;
use troop_common::call_error::CallError;
use troop_common::experiment::{ConfigError, SendWeights};
use troop_common::layout::Layout;
use troop_common::process::worker_count;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::{PROTOCOL, v1};
use troop_common::role::{Role, RoleRefused};
use troop_common::serving::{Caller, MESSAGE_PATIENCE, first_message};
use troop_common::telemetry::VERSION;
use troop_common::wire::{self, Bounded, MAX_MESSAGE_BYTES, Messages, Outgoing, Request, Rope};

use crate::answers::{JoinError, OpenError, WorkerIntroduction};
use crate::parameter_server::ParameterServer;
use broadcast::Broadcast;
use ending::{Ending, Partings};
use gradient_reader::GradientReader;
use lingering::Closing;
use open_session::OpenSession;
use outbox::Outbox;
use statuses::{join_status, open_status};
use unopened::Unopened;
use weights_stream::WeightsStream;

/// A session that has joined opens its stream within this time: its environments start meanwhile.
const OPEN_LIMIT: Duration = Duration::from_secs(120);

/// Answers to a session that have not been sent yet. A worker that does not read them finds its
/// gradients unread in turn.
const ANSWERS_WAITING: usize = 64;

/// `Watch` calls at once; each may hold a publish that nobody else needs any more.
const MOST_WATCHERS: usize = 16;

/// Answers the calls of the contract.
#[derive(Clone)]
pub struct Service {
    server: Arc<ParameterServer>,
    /// What every worker is told when it joins.
    experiment: Arc<str>,
    /// What the run is called.
    run: Arc<str>,
    broadcast: Arc<Broadcast>,
    unopened: Unopened,
    /// Sessions whose stream is open.
    open: watch::Sender<usize>,
    watchers: Arc<Semaphore>,
    closing: Closing,
    /// For those who evaluate.
    ending: watch::Sender<Ending>,
}

impl Service {
    /// A service in front of `server`.
    ///
    /// # Errors
    /// If the experiment cannot be written as TOML.
    pub fn new(server: Arc<ParameterServer>) -> Result<Self, ConfigError> {
        let experiment = server.experiment();
        let mut told = experiment.for_actors();
        let workers = worker_count(experiment.actor.workers);
        told.topology = experiment.topology.over_network(workers);
        Ok(Self {
            experiment: told.to_toml()?.into(),
            run: experiment.experiment.name.as_str().into(),
            broadcast: Arc::new(Broadcast::new(experiment.wire.weights.into())),
            unopened: Unopened::new(Arc::clone(&server), OPEN_LIMIT),
            open: watch::Sender::new(0),
            watchers: Arc::new(Semaphore::new(MOST_WATCHERS)),
            closing: Closing::default(),
            ending: watch::Sender::default(),
            server,
        })
    }

    /// The same for a run that is called `name`; without, it is called like its experiment.
    pub fn of_run(self, name: &str) -> Self {
        Self {
            run: bounds::RUN.cut(name).into(),
            ..self
        }
    }

    /// The same, which goes on answering when its sessions have left, until the second is dropped.
    pub fn lingering(self) -> (Self, Lingering) {
        let (closing, lingering) = Closing::held();
        (Self { closing, ..self }, lingering)
    }

    /// Sessions whose stream is open.
    fn open_sessions(&self) -> watch::Receiver<usize> {
        self.open.subscribe()
    }

    fn refuse_other_software(&self, request: &v1::JoinRequest) -> Result<(), Status> {
        refuse_other_protocol("worker", request.protocol)?;
        match self.server.fingerprint() {
            Some(expected)
                if !request.layout_fingerprint.is_empty()
                    && request.layout_fingerprint != expected =>
            {
                Err(CallError::Layout.status(OpenError::WrongLayout {
                    expected: expected.into(),
                    found: request.layout_fingerprint.clone(),
                }))
            }
            _ => Ok(()),
        }
    }

    fn weights(&self, pace: SendWeights) -> WeightsStream {
        WeightsStream::new(Arc::clone(&self.server), Arc::clone(&self.broadcast), pace)
    }

    /// Opens the session that the stream's first message names.
    async fn open(&self, first: Option<Rope>) -> Result<OpenSession, Status> {
        let not_opened = "the stream must begin with an `open` message that names the session";
        let first = first.ok_or_else(|| CallError::Stream.status(not_opened))?;
        let open = match Request::read(first) {
            Ok(Request::Open(open)) => open,
            Ok(_) => return Err(CallError::Stream.status(not_opened)),
            Err(error) => return Err(CallError::Stream.status(error)),
        };
        let unknown = || CallError::Session.status(OpenError::UnknownSession(open.session));
        let ticket = self.unopened.claim(open.session, open.secret);
        let ticket = ticket.ok_or_else(unknown)?;
        let session = OpenSession::new(Arc::clone(&self.server), ticket, &self.open);
        let layout = Layout::try_from(open.layout.unwrap_or_default())
            .map_err(|error| CallError::Stream.status(error))?;
        let elements = layout.len();
        let refused = |error| {
            let status = open_status(&error, &self.server.phase().borrow());
            if CallError::of(&status).is_some_and(CallError::is_lasting) {
                session.hear();
            }
            status
        };
        self.server.prepare(&layout).await.map_err(refused)?;
        self.server.open(session.id(), layout).map_err(refused)?;
        tracing::debug!(session = session.id(), elements, "session opened");
        Ok(session)
    }

    fn join(&self, request: &v1::JoinRequest, caller: &Caller) -> Result<v1::JoinResponse, Status> {
        self.refuse_other_software(request)?;
        request
            .check_bounds()
            .map_err(|error| CallError::Stream.status(error))?;
        let role = self.role(request)?;
        let replays = self.replays_for(role)?;
        let shards = self.other_shards()?;
        let worker = bounds::WORKER.cut(&request.worker);
        let peer = &caller.name;
        let introduction = WorkerIntroduction {
            name: worker.clone(),
            peer: peer.clone(),
            role,
            life: request.life,
        };
        let join = || self.server.take_in(introduction.clone());
        let joined = match join() {
            Err(JoinError::Full(_)) if self.unopened.make_room() => join(),
            joined => joined,
        };
        let joined = joined.map_err(|error| join_status(&error, &self.server.phase().borrow()))?;
        let lead_session = match self.server.ledger().leads() {
            true => joined.session,
            false => request.lead_session,
        };
        self.server.expect_in_cuts(joined.session, lead_session);
        let secret = self.unopened.expect(joined.session, caller.connection);
        let software = bounds::JOIN_SOFTWARE.cut(&request.software);
        tracing::info!(
            session = joined.session,
            worker,
            role = role.name(),
            peer,
            software,
            "session joined"
        );
        Ok(v1::JoinResponse {
            session: joined.session,
            epoch: joined.epoch,
            worker_index: joined.worker_index,
            experiment: self.experiment.to_string(),
            run: self.run.to_string(),
            secret,
            replays,
            shards,
        })
    }

    /// What a worker is going to do.
    fn role(&self, request: &v1::JoinRequest) -> Result<Role, Status> {
        let asked = Role::of_contract(request.role());
        let experiment = self.server.experiment();
        let refused = |refused| CallError::Role.status(refused);
        match experiment.topology.role(asked).map_err(refused)? {
            Role::Evaluate if !experiment.experiment.evaluate.is_on() => {
                Err(refused(RoleRefused::NotEvaluated))
            }
            role => Ok(role),
        }
    }

    /// What it is told of the replays, if it needs them.
    fn replays_for(&self, role: Role) -> Result<Option<v1::Replays>, Status> {
        if matches!(role, Role::Bundled | Role::Evaluate)
            || !self.server.ledger().life().is_running()
            || !self.server.ledger().leads()
        {
            return Ok(None);
        }
        let places = self.server.ledger().replay_places();
        places
            .map(Some)
            .map_err(|missing| CallError::NoReplay.status(missing))
    }

    /// What a worker is told of the other shards, by their lead.
    fn other_shards(&self) -> Result<Option<v1::Shards>, Status> {
        let ledger = self.server.ledger();
        if !ledger.leads() || !ledger.life().is_running() {
            return Ok(None);
        }
        let missing = |missing| CallError::NoShard.status(missing);
        ledger.shard_places().map_err(missing)
    }

    async fn train(&self, requests: Body) -> Result<Outbox, Status> {
        let mut inbound = Messages::within(requests, MAX_MESSAGE_BYTES, MESSAGE_PATIENCE);
        let session = self.open(first_message(&mut inbound).await?).await?;
        let (answers, unsent) = mpsc::channel(ANSWERS_WAITING);
        let opened = v1::Opened {
            layout_fingerprint: self.server.fingerprint().unwrap_or_default().into(),
        };
        // The channel is empty, so there is room.
        let _ = answers.try_send(Ok(Down::Opened(opened)));
        let span = tracing::info_span!("session", id = session.id());
        let weights = self.weights(self.server.experiment().wire.send_weights);
        let replays = self.server.ledger().replays_elsewhere();
        let (role, ending) = (session.role(), self.ending.subscribe());
        let partings = Partings::new(role, self.server.phase(), ending);
        let ending = self.ending.subscribe();
        let reader = GradientReader::new(session, inbound, answers, (weights.stall(), ending));
        tokio::spawn(reader.run().instrument(span));
        Ok(Outbox::new(unsent, partings, replays, weights))
    }

    fn watch(&self) -> Result<impl Stream<Item = Result<Outgoing, Status>> + Send + use<>, Status> {
        let watchers = Arc::clone(&self.watchers);
        let place = watchers.try_acquire_owned().map_err(|_| {
            CallError::Full.status(format!("{MOST_WATCHERS} calls of Watch are open already"))
        })?;
        let weights = self.weights(SendWeights::EachPublish);
        let stall = weights.stall();
        tokio::spawn(async move {
            // The place is held until the receiver is gone or does not read.
            let _place = place;
            stall.wait().await;
        });
        Ok(weights
            .until_closed(self.server.phase())
            .map(|part| Ok(wire::watched(&part.head, part.tensor))))
    }

    fn status(&self) -> v1::StatusResponse {
        let view = self.server.progress();
        let mut sessions = self.server.sessions();
        sessions.truncate(bounds::SESSIONS.most);
        v1::StatusResponse {
            epoch: self.server.epoch(),
            version: self.server.version(),
            env_steps: view.counters.env_steps,
            frames: view.counters.frames,
            episodes: view.counters.episodes,
            env_steps_per_second: view.env_steps_per_second,
            updates_per_second: view.updates_per_second,
            return_mean_100: view.return_mean_100.map(f64::from),
            sessions: sessions.into_iter().map(Into::into).collect(),
            software: VERSION.into(),
            replays: self.server.ledger().replay_statuses(),
        }
    }
}

fn refuse_other_protocol(who: &str, protocol: u32) -> Result<(), Status> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    Err(CallError::Protocol.status(format!(
        "the {who} speaks protocol {protocol}; the learner (troop {VERSION}) speaks protocol {PROTOCOL}: bring both to \
         one version"
    )))
}
