use std::time::Duration;

use crate::experiment::WireSettings;
use crate::proto::v1;
use crate::proto::v1::attach_replay_request::Kind as Up;
use crate::proto::v1::attach_replay_response::Kind as Down;
use crate::proto::{PROTOCOL, v1::ControlKind};
use crate::telemetry::VERSION;
use crate::wire::{Bounded, Messages, Outgoing, call, path};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;

use super::attached::Attached;
use super::exchange::Exchange;
use super::lost::Lost;
use super::settings::AttachmentSettings;

/// Between two tellings.
const PAUSE: Duration = Duration::from_secs(1);

/// A call that is not answered after this time is tried again.
const CALL_LIMIT: Duration = Duration::from_secs(10);

/// A goodbye that the learner does not answer within this time may not have come.
const GOODBYE_LIMIT: Duration = Duration::from_secs(2);

/// Messages that have not been sent; if the network is that slow, what is told later tells more.
const MESSAGES_WAITING: usize = 2;

/// A stream to the learner that is open.
pub(super) struct Stream {
    requests: mpsc::Sender<Result<Outgoing, Status>>,
    answers: Messages<Body>,
    pub(super) attached: Attached,
}

impl Stream {
    /// Connects, and attaches; `index` is that which the replay was told before.
    ///
    /// # Errors
    /// If there is nobody, or the learner refuses.
    pub(super) async fn open(
        settings: &AttachmentSettings,
        wire: &WireSettings,
        index: Option<usize>,
    ) -> Result<Self, Lost> {
        let opened = timeout(CALL_LIMIT, Self::begin(settings, wire, index)).await;
        match opened {
            Ok(opened) => opened,
            Err(_) => Err(Lost::Passing(format!(
                "the learner did not answer within {} s",
                CALL_LIMIT.as_secs()
            ))),
        }
    }

    async fn begin(
        settings: &AttachmentSettings,
        wire: &WireSettings,
        index: Option<usize>,
    ) -> Result<Self, Lost> {
        let mut dialled = settings.learner.connect(wire).await?;
        let (requests, unsent) = mpsc::channel(MESSAGES_WAITING);
        let open = v1::AttachOpen {
            protocol: PROTOCOL,
            software: VERSION.into(),
            url: settings.url.clone(),
            life: settings.life,
            index: index.and_then(|index| u32::try_from(index).ok()),
            shard: settings.shard.and_then(|shard| u32::try_from(shard).ok()),
        };
        // There is room for it.
        let _ = requests.try_send(Ok(message(Up::Open(open))));
        let sent = ReceiverStream::new(unsent);
        let called = call(&mut dialled, path::ATTACH_REPLAY, sent).await;
        let mut answers = match called.map_err(Lost::from) {
            Ok(answers) => answers,
            Err(Lost::Passing(reason)) => {
                return Err(settings.learner.first_call_lost(reason).await.into());
            }
            Err(lost) => return Err(lost),
        };
        match next(&mut answers).await? {
            Some(Down::Attached(answer)) => Ok(Self {
                attached: Attached::read(answer)?,
                requests,
                answers,
            }),
            Some(Down::Control(control)) => Err(controlled(control)),
            _ => Err(Lost::Refused("expected `attached`".into())),
        }
    }

    /// Tells what `counts` gives, and what there is to `exchange`, until the stream ends; gives how.
    pub(super) async fn tell(
        mut self,
        counts: &(impl Fn() -> Up + Sync),
        exchange: &mut Option<Exchange>,
    ) -> Lost {
        let mut ticks = interval(PAUSE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                answer = next(&mut self.answers) => match answer {
                    Ok(Some(Down::Control(control))) => {
                        self.say_goodbye().await;
                        return controlled(control);
                    }
                    Ok(Some(Down::Attached(_))) => {
                        return Lost::Passing("`attached` came out of turn from the learner".into());
                    }
                    Ok(Some(said)) => Exchange::hand_on(exchange, said).await,
                    // A later protocol's; this one has nothing to do with it.
                    Ok(None) => {}
                    Err(lost) => return lost,
                },
                said = Exchange::next(exchange) => {
                    if self.requests.send(Ok(message(said))).await.is_err() {
                        return Lost::Passing("the learner ended the stream".into());
                    }
                }
                _ = ticks.tick() => {
                    // If there is no room the network is slow: the next one will tell.
                    let _ = self.requests.try_send(Ok(message(counts())));
                }
            }
        }
    }

    /// Ends the stream in the learner's sight, which knows then that its last message has come.
    async fn say_goodbye(self) {
        let Self {
            requests,
            mut answers,
            ..
        } = self;
        drop(requests);
        let ended = async { while let Ok(Some(_)) = answers.next().await {} };
        // If the learner is gone it needs no goodbye.
        let _ = timeout(GOODBYE_LIMIT, ended).await;
    }
}

fn message(kind: Up) -> Outgoing {
    Outgoing::new(&v1::AttachReplayRequest { kind: Some(kind) })
}

fn controlled(control: v1::Control) -> Lost {
    match control.kind() {
        ControlKind::Stop => Lost::Finished(control.reason),
        ControlKind::Drain | ControlKind::LastWeights | ControlKind::Unspecified => {
            Lost::Passing(format!("the learner goes away: {}", control.reason))
        }
    }
}

/// The next answer; none if it is of a kind that this software does not know.
async fn next(answers: &mut Messages<Body>) -> Result<Option<Down>, Lost> {
    let Some(message) = answers.next().await? else {
        return Err(Lost::Passing("the learner ended the stream".into()));
    };
    let response = v1::AttachReplayResponse::decode(message);
    let kind = response
        .map(|response| response.kind)
        .map_err(|error| Lost::Refused(error.to_string()))?;
    let bounds = kind.as_ref().map_or(Ok(()), Bounded::check_bounds);
    bounds.map_err(|error| Lost::Refused(error.to_string()))?;
    Ok(kind)
}
