//! One session: from joining to the end of its stream.

use std::ops::Range;
use std::sync::Arc;

use tokio::task::JoinSet;
use tonic::Status;
use tonic::body::Body;
use troop_common::call_error::CallError;
use troop_common::experiment::{Experiment, WireSettings};
use troop_common::layout::Layout;
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::train_response::Kind;
use troop_common::proto::v1::{self, Control, ControlKind, JoinRequest};
use troop_common::shard_ranges::shard_ranges;
use troop_common::telemetry::VERSION;
use troop_common::wire::{Bounded, Messages, MessagesError, Response, WireError};

use super::client::Client;
use super::endpoint::EndpointSettings;
use super::incoming::IncomingWeights;
use super::join_info::JoinInfo;
use super::leave_limit::LEAVE_LIMIT;
use super::mailbox::Mailbox;
use super::patience::{CALL_LIMIT, OPEN_LIMIT, saying_why_it_lasts, within};
use super::requests::Requests;
use super::session_end::SessionEnd;
use super::window::Window;
use crate::link::rejections::Rejections;

/// A session that has not opened its stream yet.
pub(super) struct JoinedSession {
    pub(super) client: Client,
    /// Opens its stream.
    secret: u64,
    pub(super) info: JoinInfo,
    pub(super) experiment: Experiment,
    /// Where the replays are, if it needs them.
    pub(super) replays: v1::Replays,
    /// Where the other shards are.
    shards: Vec<String>,
    /// Those of them that were joined.
    others: Vec<JoinedShard>,
}

/// A shard beside the lead whose stream is not open yet.
struct JoinedShard {
    client: Client,
    session: u64,
    secret: u64,
}

/// Connects.
///
/// # Errors
/// If there is nobody, or the address cannot be one.
pub(super) async fn connect(
    settings: &EndpointSettings,
    wire: &WireSettings,
) -> Result<Client, SessionEnd> {
    let dialled = settings.dial().connect(wire).await;
    Ok(dialled.map(Client)?)
}

/// Connects and joins.
///
/// # Errors
/// How the session ended before it began.
pub(super) async fn join(
    settings: &EndpointSettings,
    wire: &WireSettings,
    fingerprint: &str,
) -> Result<JoinedSession, SessionEnd> {
    let client = connect(settings, wire).await?;
    let answer = call_join(&client, settings, fingerprint, 0).await?;
    let experiment = Experiment::from_toml(&answer.experiment).map_err(|error| {
        SessionEnd::Refused(format!("cannot read the learner's experiment: {error}"))
    })?;
    joined(settings, (client, experiment), answer)
}

async fn call_join(
    client: &Client,
    settings: &EndpointSettings,
    fingerprint: &str,
    lead_session: u64,
) -> Result<v1::JoinResponse, SessionEnd> {
    let request = JoinRequest {
        protocol: PROTOCOL,
        layout_fingerprint: fingerprint.to_owned(),
        worker: settings.worker.clone(),
        software: VERSION.to_owned(),
        role: settings
            .role
            .map_or(v1::Role::Unspecified, Into::into)
            .into(),
        lead_session,
        life: settings.jitter_seed,
    };
    let answer = match within(CALL_LIMIT, client.join(request)).await {
        Ok(answer) => answer,
        Err(SessionEnd::Lost(reason)) => {
            return Err(settings.dial().first_call_lost(reason).await.into());
        }
        Err(end) => return Err(end),
    };
    answer.check_bounds().map_err(|error| {
        SessionEnd::Refused(format!("cannot read the learner's answer: {error}"))
    })?;
    Ok(answer)
}

fn joined(
    settings: &EndpointSettings,
    (client, experiment): (Client, Experiment),
    answer: v1::JoinResponse,
) -> Result<JoinedSession, SessionEnd> {
    let role = experiment.topology.role(settings.role);
    let role = role.map_err(|refused| SessionEnd::Refused(refused.to_string()))?;
    let experiment_shards = experiment.learner.shards;
    let info = JoinInfo {
        session: answer.session,
        epoch: answer.epoch,
        role,
        worker_index: answer.worker_index,
        run: answer.run,
    };
    Ok(JoinedSession {
        client,
        secret: answer.secret,
        info,
        experiment,
        replays: answer.replays.unwrap_or_default(),
        shards: shards(answer.shards, experiment_shards)?,
        others: Vec::new(),
    })
}

/// Where the shards beside the lead are, of a run that has `expected` with it.
fn shards(told: Option<v1::Shards>, expected: usize) -> Result<Vec<String>, SessionEnd> {
    let places = told.unwrap_or_default().places;
    let urls: Vec<String> = places.into_iter().map(|place| place.url).collect();
    match urls.len() + 1 == expected {
        true => Ok(urls),
        false => Err(SessionEnd::Lost(format!(
            "the learner told of {} shards beside itself; expected {} (`learner.shards`): it may be a shard; workers call \
             the lead",
            urls.len(),
            expected - 1
        ))),
    }
}

impl JoinedSession {
    /// Joins the shards beside the lead.
    ///
    /// # Errors
    /// If one of them cannot be joined, or is not of this life of the run.
    pub(super) async fn join_shards(
        &mut self,
        settings: &EndpointSettings,
        wire: &WireSettings,
        fingerprint: &str,
    ) -> Result<(), SessionEnd> {
        for url in std::mem::take(&mut self.shards) {
            let settings = EndpointSettings {
                url: url.clone(),
                ..settings.clone()
            };
            let client = connect(&settings, wire).await?;
            let lead_session = self.info.session;
            let answer = call_join(&client, &settings, fingerprint, lead_session).await?;
            if (&answer.run, answer.epoch) != (&self.info.run, self.info.epoch) {
                return Err(SessionEnd::Lost(format!(
                    "the shard at {url} is of epoch {} of run `{}`; expected epoch {} of run `{}`, the lead's",
                    answer.epoch, answer.run, self.info.epoch, self.info.run
                )));
            }
            self.others.push(JoinedShard {
                client,
                session: answer.session,
                secret: answer.secret,
            });
        }
        Ok(())
    }

    /// Opens the streams; what comes over them is then read by [`OpenSession::receive`].
    ///
    /// # Errors
    /// How the session ended before its streams were open.
    pub(super) async fn open(
        self,
        layout: &Layout,
        mailbox: Arc<Mailbox>,
    ) -> Result<OpenSession, SessionEnd> {
        let ranges = shard_ranges(layout.len(), self.experiment.learner.shards)
            .map_err(|error| SessionEnd::Refused(error.to_string()))?;
        let connection = mailbox.begin(ranges.len());
        let mut streams = Vec::with_capacity(ranges.len());
        let epoch = self.info.epoch;
        let window = Window::new(&self.experiment, self.info.role);
        for (index, (learner, range)) in self.learners().zip(ranges).enumerate() {
            let stream = learner.open(layout, &mailbox, (connection, index));
            streams.push(OpenStream {
                index,
                inbound: stream.await?,
                incoming: IncomingWeights::new(epoch, Range::len(&range)),
                mailbox: Arc::clone(&mailbox),
                rejections: Rejections::default(),
            });
        }
        mailbox.opened(&window);
        Ok(OpenSession { streams })
    }

    /// All learners that it joined, the lead first.
    fn learners(self) -> impl Iterator<Item = JoinedShard> {
        let lead = JoinedShard {
            client: self.client,
            session: self.info.session,
            secret: self.secret,
        };
        std::iter::once(lead).chain(self.others)
    }
}

impl JoinedShard {
    async fn open(
        mut self,
        layout: &Layout,
        mailbox: &Arc<Mailbox>,
        stream: (u64, usize),
    ) -> Result<Messages<Body>, SessionEnd> {
        let session = (self.session, self.secret);
        let requests = Requests::new(session, layout, Arc::clone(mailbox), stream);
        let train = self.client.train(requests);
        let mut inbound = within(OPEN_LIMIT, saying_why_it_lasts(layout.len(), train)).await?;
        let first = within(CALL_LIMIT, next(&mut inbound)).await?;
        let Some(Response::Other(Some(Kind::Opened(opened)))) = first else {
            return Err(unexpected(first.as_ref()));
        };
        expect_same(layout, &opened.layout_fingerprint)?;
        Ok(inbound)
    }
}

fn expect_same(layout: &Layout, opened: &str) -> Result<(), SessionEnd> {
    match layout.fingerprint() {
        expected if expected == opened => Ok(()),
        expected => Err(SessionEnd::Refused(format!(
            "the learner opened a session for layout {opened}; expected {expected}, this worker's"
        ))),
    }
}

/// A session whose streams are open: one with each learner that holds parameters.
pub(super) struct OpenSession {
    streams: Vec<OpenStream>,
}

impl OpenSession {
    /// Hands on what the learners send, until the session ends: if one of its streams does all do.
    pub(super) async fn receive(mut self) -> SessionEnd {
        match self.streams.pop() {
            Some(only) if self.streams.is_empty() => only.receive().await,
            last => {
                let streams = self.streams.into_iter().chain(last);
                let mut receiving: JoinSet<SessionEnd> = streams.map(OpenStream::receive).collect();
                while let Some(end) = receiving.join_next().await {
                    match end {
                        Ok(SessionEnd::Left) => {}
                        Ok(SessionEnd::Finished(reason)) => {
                            // Goodbye is said to the others as well.
                            let ended = async { while receiving.join_next().await.is_some() {} };
                            let _ = tokio::time::timeout(LEAVE_LIMIT, ended).await;
                            return SessionEnd::Finished(reason);
                        }
                        Ok(end) => return end,
                        Err(error) => return SessionEnd::Lost(error.to_string()),
                    }
                }
                SessionEnd::Left
            }
        }
    }
}

/// A stream with one learner.
struct OpenStream {
    /// Which of the session's streams it is; 0 is that with the lead.
    index: usize,
    inbound: Messages<Body>,
    incoming: IncomingWeights,
    mailbox: Arc<Mailbox>,
    rejections: Rejections,
}

impl OpenStream {
    /// Hands on what the learner sends, until the session ends.
    async fn receive(mut self) -> SessionEnd {
        loop {
            let response = match next(&mut self.inbound).await {
                Ok(Some(response)) => response,
                Ok(None) if self.mailbox.is_parting() => return SessionEnd::Left,
                Ok(None) => return SessionEnd::Lost("the learner ended the stream".into()),
                Err(status) => return SessionEnd::from(*status),
            };
            if let Err(end) = self.handle(response) {
                if matches!(end, SessionEnd::Finished(_)) {
                    self.say_goodbye().await;
                }
                return end;
            }
        }
    }

    /// Ends the stream in the learner's sight, which knows then that the worker has heard how the run ended.
    async fn say_goodbye(&mut self) {
        self.mailbox.say_goodbye();
        let ended = async { while let Ok(Some(_)) = self.inbound.next().await {} };
        // If the learner is gone it needs no goodbye.
        let _ = tokio::time::timeout(LEAVE_LIMIT, ended).await;
    }

    fn handle(&mut self, response: Response) -> Result<(), SessionEnd> {
        match response {
            Response::Weights(chunk, data) => {
                let weights = self.incoming.accept(&chunk, data);
                if let Some(weights) = weights.map_err(SessionEnd::Refused)? {
                    self.mailbox.deliver(self.index, weights);
                }
                Ok(())
            }
            Response::Other(Some(Kind::Acknowledgement(answer))) => {
                self.rejections.note(answer.verdict(), &answer.detail);
                self.mailbox.acknowledged(self.index, answer.version);
                Ok(())
            }
            Response::Other(Some(Kind::Control(control))) => self.controlled(control),
            Response::Other(Some(Kind::Replays(replays))) => {
                self.mailbox.replays_are(replays);
                Ok(())
            }
            Response::Other(_) => Err(unexpected(Some(&response))),
        }
    }

    fn controlled(&self, control: Control) -> Result<(), SessionEnd> {
        match control.kind() {
            ControlKind::Stop => Err(SessionEnd::Finished(control.reason)),
            ControlKind::Drain => Err(SessionEnd::Lost(format!(
                "the learner goes away: {}",
                control.reason
            ))),
            ControlKind::LastWeights => {
                self.mailbox.last_weights_follow(self.index, control.reason);
                Ok(())
            }
            // A later protocol's; this one has nothing to do with it.
            ControlKind::Unspecified => Ok(()),
        }
    }
}

/// The next message; none at the end of a stream that went well.
async fn next(inbound: &mut Messages<Body>) -> Result<Option<Response>, Box<Status>> {
    let unreadable = |error: WireError| Box::new(CallError::Stream.status(error));
    match inbound.next().await {
        Ok(message) => message.map(Response::read).transpose().map_err(unreadable),
        Err(MessagesError::Wire(error)) => Err(unreadable(error)),
        Err(MessagesError::Call(status)) => Err(status),
    }
}

fn unexpected(response: Option<&Response>) -> SessionEnd {
    let found = match response {
        None | Some(Response::Other(None)) => "nothing",
        Some(Response::Weights(..) | Response::Other(Some(Kind::Weights(_)))) => "weights",
        Some(Response::Other(Some(Kind::Opened(_)))) => "`opened`",
        Some(Response::Other(Some(Kind::Acknowledgement(_)))) => "an acknowledgement",
        Some(Response::Other(Some(Kind::Control(_)))) => "a control",
        Some(Response::Other(Some(Kind::Replays(_)))) => "places of replays",
    };
    SessionEnd::Lost(format!("{found} came out of turn from the learner"))
}
