//! One session: from joining to the end of its stream.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tonic::Status;
use tonic::body::Body;
use troop_common::call_error::CallError;
use troop_common::experiment::{Experiment, WireSettings};
use troop_common::layout::Layout;
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::train_response::Kind;
use troop_common::proto::v1::{self, Control, ControlKind, JoinRequest};
use troop_common::telemetry::VERSION;
use troop_common::wire::{Bounded, Messages, MessagesError, Response, WireError};

use super::client::Client;
use super::endpoint::EndpointSettings;
use super::incoming::IncomingWeights;
use super::join_info::JoinInfo;
use super::mailbox::Mailbox;
use super::requests::Requests;
use super::session_end::SessionEnd;
use super::window::Window;
use crate::link::rejections::Rejections;

/// A call that is not answered after this time is tried again.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The first sessions of a run wait for the learner to draw the first parameters. It refuses what
/// would take it longer than this; where it is gone, keep-alive says so sooner.
const OPEN_LIMIT: Duration = Duration::from_secs(300);

/// A worker that waits for its stream for longer than this says what it waits for.
const LONG_OPEN: Duration = Duration::from_secs(5);

/// A session that has not opened its stream yet.
pub(super) struct JoinedSession {
    pub(super) client: Client,
    /// Opens its stream.
    secret: u64,
    pub(super) info: JoinInfo,
    pub(super) experiment: Experiment,
    /// Where the replays are, if it needs them.
    pub(super) replays: v1::Replays,
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
    let request = JoinRequest {
        protocol: PROTOCOL,
        layout_fingerprint: fingerprint.to_owned(),
        worker: settings.worker.clone(),
        software: VERSION.to_owned(),
        role: settings
            .role
            .map_or(v1::Role::Unspecified, Into::into)
            .into(),
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
    let experiment = Experiment::from_toml(&answer.experiment).map_err(|error| {
        SessionEnd::Refused(format!("cannot read the learner's experiment: {error}"))
    })?;
    joined(settings, (client, experiment), answer)
}

fn joined(
    settings: &EndpointSettings,
    (client, experiment): (Client, Experiment),
    answer: v1::JoinResponse,
) -> Result<JoinedSession, SessionEnd> {
    let role = experiment.topology.role(settings.role);
    let role = role.map_err(|refused| SessionEnd::Refused(refused.to_string()))?;
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
    })
}

impl JoinedSession {
    /// Opens the stream; what comes over it is then read by [`OpenSession::receive`].
    ///
    /// # Errors
    /// How the session ended before its stream was open.
    pub(super) async fn open(
        mut self,
        layout: &Layout,
        mailbox: Arc<Mailbox>,
    ) -> Result<OpenSession, SessionEnd> {
        let connection = mailbox.begin();
        let requests = Requests::new(
            self.info.session,
            self.secret,
            layout,
            Arc::clone(&mailbox),
            connection,
        );
        let train = self.client.train(requests);
        let mut inbound = within(OPEN_LIMIT, saying_why_it_lasts(layout.len(), train)).await?;
        let first = within(CALL_LIMIT, next(&mut inbound)).await?;
        let fingerprint = match first {
            Some(Response::Other(Some(Kind::Opened(opened)))) => opened.layout_fingerprint,
            other => return Err(unexpected(other.as_ref())),
        };
        if fingerprint != layout.fingerprint() {
            return Err(SessionEnd::Refused(format!(
                "the learner opened a session for layout {fingerprint}; expected {}, this worker's",
                layout.fingerprint()
            )));
        }
        mailbox.opened(Window::new(&self.experiment, self.info.role));
        let incoming = IncomingWeights::new(self.info.epoch, layout.len());
        Ok(OpenSession {
            inbound,
            incoming,
            mailbox,
            rejections: Rejections::default(),
        })
    }
}

/// A session whose stream is open.
pub(super) struct OpenSession {
    inbound: Messages<Body>,
    incoming: IncomingWeights,
    mailbox: Arc<Mailbox>,
    rejections: Rejections,
}

impl OpenSession {
    /// Hands on what the learner sends, until the session ends.
    pub(super) async fn receive(mut self) -> SessionEnd {
        loop {
            let response = match next(&mut self.inbound).await {
                Ok(Some(response)) => response,
                Ok(None) if self.mailbox.is_leaving() => return SessionEnd::Left,
                Ok(None) => return SessionEnd::Lost("the learner ended the stream".into()),
                Err(status) => return SessionEnd::from(*status),
            };
            if let Err(end) = self.handle(response) {
                return end;
            }
        }
    }

    fn handle(&mut self, response: Response) -> Result<(), SessionEnd> {
        match response {
            Response::Weights(chunk, data) => {
                let weights = self.incoming.accept(&chunk, data);
                if let Some(weights) = weights.map_err(SessionEnd::Refused)? {
                    self.mailbox.deliver(weights);
                }
                Ok(())
            }
            Response::Other(Some(Kind::Acknowledgement(answer))) => {
                self.rejections.note(answer.verdict(), &answer.detail);
                self.mailbox.acknowledged(answer.version);
                Ok(())
            }
            Response::Other(Some(Kind::Control(control))) => controlled(control),
            Response::Other(Some(Kind::Replays(replays))) => {
                self.mailbox.replays_are(replays);
                Ok(())
            }
            Response::Other(_) => Err(unexpected(Some(&response))),
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

fn controlled(control: Control) -> Result<(), SessionEnd> {
    match control.kind() {
        ControlKind::Stop => Err(SessionEnd::Finished(control.reason)),
        ControlKind::Drain => Err(SessionEnd::Lost(format!(
            "the learner goes away: {}",
            control.reason
        ))),
        // A later protocol's; this one has nothing to do with it.
        ControlKind::Unspecified => Ok(()),
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

/// Waits for the learner to open the stream.
async fn saying_why_it_lasts<T>(elements: usize, opening: impl Future<Output = T>) -> T {
    let mut opening = pin!(opening);
    match tokio::time::timeout(LONG_OPEN, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            let limit_s = OPEN_LIMIT.as_secs();
            tracing::info!(elements, limit_s, "the learner draws the first parameters");
            opening.await
        }
    }
}

async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, impl Into<SessionEnd>>>,
) -> Result<T, SessionEnd> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(SessionEnd::Lost(format!(
            "the learner did not answer within {} s",
            limit.as_secs()
        ))),
    }
}
