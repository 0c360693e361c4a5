use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tonic::Status;
use tonic::body::Body;
use troop_common::call_error::CallError;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{self, Acknowledgement, GradientChunk};
use troop_common::wire::{Elements, Gathering, Messages, MessagesError, Place, Request, Rope};

use super::open_session::OpenSession;
use crate::answers::{Outcome, Phase};
use crate::budget::Room;
use crate::gradient::{Gradient, Origin};
use crate::norm::NormSum;

/// Reads one session's gradients, has each applied as soon as it is whole, and answers.
pub(super) struct GradientReader {
    session: OpenSession,
    inbound: Messages<Body>,
    answers: mpsc::Sender<Result<Down, Status>>,
    /// For the gradient whose chunks come now.
    room: Option<Room>,
    gathering: Gathering,
    norm: NormSum,
    progress: Progress,
}

/// Where the reader is in the sequence of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The next chunk starts a gradient.
    Between,
    /// Some chunks of this gradient have come.
    Within(Origin),
    /// The rest of this gradient is skipped: it has been answered.
    Skipping(u64),
}

/// The session cannot go on: its stream has ended, or nobody reads the answers.
struct Ended(&'static str);

impl GradientReader {
    pub(super) fn new(
        session: OpenSession,
        inbound: Messages<Body>,
        answers: mpsc::Sender<Result<Down, Status>>,
    ) -> Self {
        Self {
            session,
            inbound,
            answers,
            room: None,
            gathering: Gathering::default(),
            norm: NormSum::default(),
            progress: Progress::Between,
        }
    }

    /// Reads until the stream ends, nobody reads the answers any more, or the learner has been
    /// closed for a while.
    pub(super) async fn run(mut self) {
        let (answers, phase) = (self.answers.clone(), self.session.server().phase());
        let settings = &self.session.server().experiment().learner;
        let linger = Duration::from_millis(settings.drain_timeout_ms);
        let Ended(cause) = tokio::select! {
            biased;
            ended = self.read() => ended,
            () = answers.closed() => Ended("the worker hung up"),
            () = closed_for(phase, linger) => Ended("the learner closes"),
        };
        tracing::info!(session = self.session.id(), cause, "session ends");
    }

    async fn read(&mut self) -> Ended {
        loop {
            let step = match self.inbound.next().await {
                Ok(Some(message)) => self.handle(message).await,
                Ok(None) => return Ended("the worker left"),
                Err(MessagesError::Wire(error)) => self.refuse_stream(&error.to_string()).await,
                Err(MessagesError::Call(status)) => {
                    tracing::debug!(%status, "stream broken");
                    return Ended("the connection was lost");
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    async fn handle(&mut self, message: Rope) -> Result<(), Ended> {
        match Request::read(message) {
            Ok(Request::Gradient(chunk, data)) => self.accept(chunk, data).await,
            Ok(Request::Open(_) | Request::Unknown) => {
                let expected = "only gradients may follow the stream's first message";
                self.refuse_stream(expected).await
            }
            Err(error) => self.refuse_stream(&error.to_string()).await,
        }
    }

    async fn refuse_stream(&mut self, why: &str) -> Result<(), Ended> {
        // Where nobody reads it the session ends all the same.
        let _ = self.answers.send(Err(CallError::Stream.status(why))).await;
        Err(Ended("the worker does not follow the protocol"))
    }

    async fn accept(&mut self, chunk: GradientChunk, data: Rope) -> Result<(), Ended> {
        let bytes = data.len() as u64;
        self.session.server().metrics().received_bytes.inc_by(bytes);
        if self.progress == Progress::Skipping(chunk.sequence) {
            return Ok(());
        }
        let origin = origin(&chunk);
        if let Progress::Within(begun) = self.progress
            && begun != origin
        {
            self.drop_begun(begun, origin).await?;
        }
        let place = Place {
            offset_elements: chunk.offset_elements,
            total_elements: chunk.total_elements,
            encoding: chunk.encoding,
        };
        let room = match self.room.take() {
            Some(room) => room,
            None => self.session.server().room(self.session.id()).await,
        };
        let norm = &mut self.norm;
        let gathered = self
            .gathering
            .accept(room.elements(), place, data, |run| norm.add(run));
        match gathered {
            Ok(None) => {
                self.room = Some(room);
                self.progress = Progress::Within(origin);
                Ok(())
            }
            Ok(Some(values)) => {
                self.progress = Progress::Between;
                let report = chunk.report.unwrap_or_default();
                self.push(origin, values, room, &report).await
            }
            Err(error) => {
                self.norm = NormSum::default();
                self.progress = Progress::Skipping(origin.sequence);
                self.malformed(origin.sequence, error.to_string()).await
            }
        }
    }

    /// A gradient whose last chunks did not come before the next one began.
    async fn drop_begun(&mut self, begun: Origin, next: Origin) -> Result<(), Ended> {
        self.gathering.reset();
        self.norm = NormSum::default();
        self.progress = Progress::Between;
        let detail = format!("a chunk of {next} came before {begun} was whole");
        self.malformed(begun.sequence, detail).await
    }

    async fn push(
        &mut self,
        origin: Origin,
        values: Elements,
        room: Room,
        report: &v1::Report,
    ) -> Result<(), Ended> {
        let norm = std::mem::take(&mut self.norm).norm();
        let gradient = Gradient::measured(origin, values, norm, room);
        let outcome = self
            .session
            .server()
            .push(self.session.id(), gradient, report)
            .await;
        self.answer(origin.sequence, outcome).await
    }

    async fn malformed(&mut self, sequence: u64, detail: String) -> Result<(), Ended> {
        let outcome = self.session.server().malformed(self.session.id(), detail);
        self.answer(sequence, outcome).await
    }

    async fn answer(&mut self, sequence: u64, outcome: Outcome) -> Result<(), Ended> {
        let Outcome {
            verdict,
            detail,
            version,
        } = outcome;
        tracing::trace!(
            session = self.session.id(),
            sequence,
            verdict = verdict.as_str_name(),
            version,
            detail,
            "gradient answered"
        );
        let answer = Acknowledgement {
            sequence,
            verdict: verdict.into(),
            detail,
            version,
        };
        let sent = self.answers.send(Ok(Down::Acknowledgement(answer))).await;
        sent.map_err(|_| Ended("the worker hung up"))
    }
}

/// What all chunks of one gradient have in common.
fn origin(chunk: &GradientChunk) -> Origin {
    Origin {
        sequence: chunk.sequence,
        epoch: chunk.epoch,
        version: chunk.version,
    }
}

/// Completes once the learner has been closed for as long as `linger`.
async fn closed_for(mut phase: watch::Receiver<Phase>, linger: Duration) {
    // The sender lives as long as the session.
    let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
    tokio::time::sleep(linger).await;
}
