use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use troop_common::dialling::Dial;
use troop_common::experiment::WireSettings;
use troop_common::proto::v1;
use troop_common::proto::v1::append_response::Kind;
use troop_common::wire::{Messages, Outgoing, call, path, read_append_response};

use super::stream_end::StreamEnd;

/// Chunks that have not been sent.
const CHUNKS_WAITING: usize = 2;

/// A stream of `Append` that is open.
pub(super) struct AppendedStream {
    requests: mpsc::Sender<Result<Outgoing, Status>>,
    answers: Messages<Body>,
    /// What the replay said when it was opened.
    pub(super) opened: v1::AppendOpened,
    /// How far the writer is, and may go.
    pub(super) credit: v1::Credit,
}

impl AppendedStream {
    /// Connects, and opens a stream.
    ///
    /// # Errors
    /// If there is nobody, or the replay refuses.
    pub(super) async fn open(
        dial: &Dial,
        wire: &WireSettings,
        open: &v1::AppendOpen,
    ) -> Result<Self, StreamEnd> {
        let mut dialled = dial.connect(wire).await?;
        let (requests, unsent) = mpsc::channel(CHUNKS_WAITING);
        // There is room for it.
        let _ = requests.try_send(Ok(first(open)));
        let sent = ReceiverStream::new(unsent);
        let mut answers = call(&mut dialled, path::APPEND, sent).await?;
        let Some(Kind::Opened(opened)) = next(&mut answers).await? else {
            return Err(StreamEnd::Refused("expected `opened`".into()));
        };
        Ok(Self {
            credit: opened.credit.unwrap_or_default(),
            requests,
            answers,
            opened,
        })
    }

    /// Waits for an answer to a segment.
    ///
    /// # Errors
    /// How the stream ended.
    pub(super) async fn answered(&mut self) -> Result<(), StreamEnd> {
        if let Some(Kind::Credit(credit)) = next(&mut self.answers).await? {
            self.credit = credit;
        }
        Ok(())
    }

    /// Sends part of a segment, as soon as there is room.
    ///
    /// # Errors
    /// How the stream ended.
    pub(super) async fn send(&mut self, message: Outgoing) -> Result<(), StreamEnd> {
        if self.requests.send(Ok(message)).await.is_ok() {
            return Ok(());
        }
        // The last message says why.
        loop {
            self.answered().await?;
        }
    }
}

impl AppendedStream {
    /// Ends it, once the replay has read what was sent.
    pub(super) async fn leave(self) {
        let Self {
            requests,
            mut answers,
            ..
        } = self;
        drop(requests);
        while let Ok(Some(_)) = answers.next().await {}
    }
}

async fn next(answers: &mut Messages<Body>) -> Result<Option<Kind>, StreamEnd> {
    match answers.next().await? {
        Some(message) => {
            read_append_response(message).map_err(|error| StreamEnd::Refused(error.to_string()))
        }
        None => Err(StreamEnd::Lost("the replay ended the stream".into())),
    }
}

/// The message that a stream begins with.
fn first(open: &v1::AppendOpen) -> Outgoing {
    let kind = v1::append_request::Kind::Open(open.clone());
    Outgoing::new(&v1::AppendRequest { kind: Some(kind) })
}
