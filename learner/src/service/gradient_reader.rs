use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tonic::Status;
use tonic::body::Body;
use troop_common::call_error::CallError;
use troop_common::experiment::ActorSettings;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{self, Acknowledgement, GradientChunk};
use troop_common::role::Role;
use troop_common::wire::{
    Elements, Gathering, Messages, MessagesError, Place, Request, Rope, WireError,
};

use super::ending::Ending;
use super::open_session::OpenSession;
use super::stall::Stall;
use super::whole_norm::whole_norm;
use crate::answers::{Outcome, Phase};
use crate::shard::budget::Room;
use crate::shard::gradient::{Gradient, Origin};
use troop_common::norm::NormSum;

/// A gradient that has begun to come is whole within this time, and as much more as its bytes take at
/// [`SLOWEST_BYTES_A_SECOND`].
const PATIENCE: Duration = Duration::from_secs(30);

/// A worker behind a slower network than this holds up others.
const SLOWEST_BYTES_A_SECOND: u64 = 1 << 20;

/// The rest of a gradient that has waited for room for long is on its way already.
const ONCE_THERE_IS_ROOM: Duration = Duration::from_secs(2);

/// Reads one session's gradients and reports, has each applied or counted as soon as it is whole, and answers.
pub(super) struct GradientReader {
    session: OpenSession,
    inbound: Messages<Body>,
    answers: mpsc::Sender<Result<Down, Status>>,
    /// For the gradient whose chunks come now.
    room: Option<Room>,
    gathering: Gathering,
    norm: NormSum,
    reading: Reading,
    /// When the rest of the gradient whose chunks come now must be here.
    due: Option<Instant>,
    stall: Stall,
    ending: watch::Receiver<Ending>,
}

/// Where the reader is in the sequence of chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reading {
    /// The next chunk starts a gradient.
    Between,
    /// Some chunks of this gradient have come.
    Within(Origin),
    /// The rest of this gradient is skipped: it has been answered.
    Skipping(u64),
}

/// The session cannot go on: its stream has ended, or nobody reads the answers.
struct Ended {
    cause: &'static str,
    /// The worker has said goodbye, or was told that it cannot go on; else it may come again.
    is_known: bool,
}

impl Ended {
    fn known(cause: &'static str) -> Self {
        let is_known = true;
        Self { cause, is_known }
    }

    fn unknown(cause: &'static str) -> Self {
        let is_known = false;
        Self { cause, is_known }
    }
}

impl GradientReader {
    pub(super) fn new(
        session: OpenSession,
        inbound: Messages<Body>,
        answers: mpsc::Sender<Result<Down, Status>>,
        (stall, ending): (Stall, watch::Receiver<Ending>),
    ) -> Self {
        Self {
            due: None,
            stall,
            ending,
            session,
            inbound,
            answers,
            room: None,
            gathering: Gathering::default(),
            norm: NormSum::default(),
            reading: Reading::Between,
        }
    }

    /// Reads until the stream ends, nobody reads the answers any more, or the learner has been
    /// closed for a while.
    pub(super) async fn run(mut self) {
        let stall = std::mem::take(&mut self.stall);
        let answers = self.answers.clone();
        let closed = self.closed();
        let loneliness = self.session.loneliness();
        let Ended { cause, is_known } = tokio::select! {
            biased;
            ended = self.read() => ended,
            () = answers.closed() => Ended::unknown("the worker hung up"),
            () = stall.stopped() => Ended::unknown("the worker does not read its weights"),
            () = closed => Ended::unknown("the learner closes"),
            why = loneliness => {
                // If it reads no answers it has ended all the same.
                let _ = answers.try_send(Err(CallError::Alone.status(why)));
                Ended::known("no worker of the other role was there for long")
            }
        };
        if is_known {
            self.session.hear();
        }
        tracing::info!(session = self.session.id(), cause, "session ends");
    }

    /// Completes once the session has had time to leave since the learner closed.
    fn closed(&self) -> impl Future<Output = ()> + use<> {
        let server = self.session.server();
        let linger = Duration::from_millis(server.experiment().learner.drain_timeout_ms);
        let evaluates = self.session.role() == Role::Evaluate;
        let ending = evaluates.then(|| self.ending.clone());
        closed_for(server.phase(), ending, linger)
    }

    async fn read(&mut self) -> Ended {
        loop {
            let next = match self.due {
                Some(due) => match timeout_at(due, self.inbound.next()).await {
                    Ok(next) => next,
                    Err(_) => return self.overdue(),
                },
                None => self.inbound.next().await,
            };
            let step = match next {
                Ok(Some(message)) => self.handle(message).await,
                Ok(None) => return Ended::known("the worker left"),
                Err(MessagesError::Wire(error)) => self.refuse_stream(&error.to_string()).await,
                Err(MessagesError::Call(status)) => {
                    tracing::debug!(%status, "stream broken");
                    return Ended::unknown("the connection was lost");
                }
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    /// Half a gradient holds room that others wait for.
    fn overdue(&self) -> Ended {
        self.session.server().metrics().overdue_gradients.inc();
        let session = self.session.id();
        tracing::warn!(
            session,
            "half a gradient came, and its rest did not in time"
        );
        Ended::unknown("the rest of a gradient did not come in time")
    }

    async fn handle(&mut self, message: Rope) -> Result<(), Ended> {
        match Request::read(message) {
            Ok(Request::Gradient(chunk, data)) => self.accept(chunk, data).await,
            Ok(Request::Report(lone)) => self.count(lone).await,
            Ok(Request::Open(_) | Request::Unknown) => {
                let expected = "only gradients and reports may follow the stream's first message";
                self.refuse_stream(expected).await
            }
            Err(error) => {
                if let WireError::OverBound(error) = &error {
                    self.session.server().ledger().over_bound(error.bound.field);
                }
                self.refuse_stream(&error.to_string()).await
            }
        }
    }

    /// Counts a report that comes without a gradient.
    async fn count(&mut self, lone: v1::LoneReport) -> Result<(), Ended> {
        if let Reading::Within(begun) = self.reading {
            // Its room and its time would begin anew each time.
            let why = format!("a report came before {begun} was whole");
            return self.refuse_stream(&why).await;
        }
        let report = lone.report.unwrap_or_default();
        let (server, session) = (self.session.server(), self.session.id());
        let outcome = server.report(session, lone.epoch, lone.sequence, &report);
        self.answer(lone.sequence, outcome).await
    }

    async fn refuse_stream(&mut self, why: &str) -> Result<(), Ended> {
        // If nobody reads it the session ends all the same.
        let _ = self.answers.send(Err(CallError::Stream.status(why))).await;
        Err(Ended::known("the worker does not follow the protocol"))
    }

    async fn accept(&mut self, chunk: GradientChunk, data: Rope) -> Result<(), Ended> {
        let bytes = data.len() as u64;
        self.session.server().metrics().received_bytes.inc_by(bytes);
        if self.reading == Reading::Skipping(chunk.sequence) {
            return Ok(());
        }
        let origin = origin(&chunk);
        if let Reading::Within(begun) = self.reading
            && begun != origin
        {
            self.drop_begun(begun, origin).await?;
        }
        let place = Place {
            offset_elements: chunk.offset_elements,
            total_elements: chunk.total_elements,
            encoding: chunk.encoding,
        };
        let (began, room) = match self.room.take() {
            Some(room) => {
                if self.reading != Reading::Within(origin) {
                    begin(&self.session, origin.sequence).await;
                }
                (Instant::now(), room)
            }
            None => room(&self.session, origin.sequence).await,
        };
        let norm = &mut self.norm;
        let gathered = self
            .gathering
            .accept(room.elements(), place, data, |run| norm.add(run));
        match gathered {
            Ok(None) => {
                self.room = Some(room);
                self.reading = Reading::Within(origin);
                self.due
                    .get_or_insert_with(|| due(began, chunk.total_elements));
                Ok(())
            }
            Ok(Some(values)) => {
                self.reading = Reading::Between;
                self.due = None;
                self.push((origin, values, room), chunk).await
            }
            Err(error) => {
                self.norm = NormSum::default();
                self.due = None;
                self.reading = Reading::Skipping(origin.sequence);
                self.malformed(origin.sequence, error.to_string()).await
            }
        }
    }

    /// A gradient whose last chunks did not come before the next one began. That one has its room, and what is
    /// left of its time: else one half after the other would hold room for ever.
    async fn drop_begun(&mut self, begun: Origin, next: Origin) -> Result<(), Ended> {
        self.gathering.reset();
        self.norm = NormSum::default();
        self.reading = Reading::Between;
        let detail = format!("a chunk of {next} came before {begun} was whole");
        self.malformed(begun.sequence, detail).await
    }

    /// Takes a gradient that is whole; `last` is its last chunk.
    async fn push(
        &mut self,
        (origin, values, room): (Origin, Elements, Room),
        last: GradientChunk,
    ) -> Result<(), Ended> {
        let own = std::mem::take(&mut self.norm).norm();
        let server = self.session.server();
        let norm = match whole_norm(own, last.slice, server.shards()) {
            Ok(norm) => norm,
            Err(why) => return self.malformed(origin.sequence, why.into()).await,
        };
        let gradients = match summed(last.gradients, &server.experiment().actor) {
            Ok(gradients) => gradients,
            Err(why) => return self.malformed(origin.sequence, why).await,
        };
        let mut gradient = Gradient::measured(origin, values, norm, room);
        gradient.gradients = gradients;
        if !server.ledger().leads() {
            gradient.lead_env_steps = last.slice.unwrap_or_default().env_steps;
        }
        let report = last.report.unwrap_or_default();
        let outcome = server.push(self.session.id(), gradient, &report).await;
        self.answer(origin.sequence, outcome).await
    }

    async fn malformed(&mut self, sequence: u64, detail: String) -> Result<(), Ended> {
        let (server, session) = (self.session.server(), self.session.id());
        let outcome = server.malformed(session, sequence, detail);
        self.answer(sequence, outcome).await
    }

    /// Answers once the session may begin another gradient, or ends it.
    async fn answer(&mut self, sequence: u64, outcome: Outcome) -> Result<(), Ended> {
        let session = self.session.id();
        let verdict = v1::Verdict::from(outcome.verdict);
        let (name, version, detail) = (verdict.as_str_name(), outcome.version, outcome.detail);
        tracing::trace!(
            session,
            sequence,
            verdict = name,
            version,
            detail,
            "gradient answered"
        );
        let because = outcome.ends_session.then(|| detail.clone());
        let turn = match because {
            Some(_) => None,
            None => self.session.server().turn(session).await,
        };
        let answer = Acknowledgement {
            sequence,
            verdict: verdict.into(),
            detail,
            version: turn.unwrap_or(version),
        };
        let sent = self.answers.send(Ok(Down::Acknowledgement(answer))).await;
        sent.map_err(|_| Ended::unknown("the worker hung up"))?;
        match because {
            Some(because) => self.refuse_stream(&because).await,
            None => Ok(()),
        }
    }
}

/// Room for a session's gradient, and since when it is its turn.
async fn room(session: &OpenSession, sequence: u64) -> (Instant, Room) {
    begin(session, sequence).await;
    (Instant::now(), session.server().room().await)
}

/// Waits until a session's gradient may come, if a cut is made.
async fn begin(session: &OpenSession, sequence: u64) {
    let server = session.server();
    server.begin_gradient(session.id(), sequence).await;
}

/// Gradients that a message is the sum of: the learner's step is as many times as long.
///
/// # Errors
/// If it says more than workers share a session.
fn summed(said: u64, actor: &ActorSettings) -> Result<u64, String> {
    let most = actor.relay_workers as u64;
    match said {
        0 => Ok(1),
        gradients if gradients <= most => Ok(gradients),
        gradients => Err(format!(
            "it is the sum of {gradients} gradients; expected {most} at most, as actor.relay_workers says"
        )),
    }
}

/// When a gradient of so many elements must be whole whose first chunk came at `began`, and has room now. The
/// time that it waited for room counts: else each of many halves would hold it in turn.
fn due(began: Instant, elements: u64) -> Instant {
    let bytes = elements.saturating_mul(4);
    let patience = (began + PATIENCE).max(Instant::now() + ONCE_THERE_IS_ROOM);
    patience + Duration::from_secs(bytes / SLOWEST_BYTES_A_SECOND)
}

/// What all chunks of one gradient have in common.
fn origin(chunk: &GradientChunk) -> Origin {
    Origin {
        sequence: chunk.sequence,
        epoch: chunk.epoch,
        version: chunk.version,
    }
}

/// Completes once the learner has been closed for as long as `linger`; at the end of a run, of a session that evaluates, once
/// nobody has waited for it for as long.
async fn closed_for(
    mut phase: watch::Receiver<Phase>,
    ending: Option<watch::Receiver<Ending>>,
    linger: Duration,
) {
    // The senders live as long as the session.
    let closed = phase.wait_for(|phase| *phase != Phase::Running).await;
    let is_finished = closed.is_ok_and(|phase| matches!(*phase, Phase::Finished(_)));
    if let Some(mut ending) = ending.filter(|_| is_finished) {
        let _ = ending.wait_for(|it| matches!(it, Ending::Over)).await;
    }
    tokio::time::sleep(linger).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use crate::parameter_server::ParameterServer;
    use crate::service::unopened::Ticket;
    use bytes::{BufMut, Bytes, BytesMut};
    use http_body_util::StreamBody;
    use prost::Message;
    use std::sync::Arc;
    use tokio_stream::wrappers::ReceiverStream;
    use troop_common::experiment::Experiment;
    use troop_common::layout::{Initializer, Layout, TensorSpec};
    use troop_common::proto::v1::{Encoding, TrainRequest, train_request::Kind};
    use troop_common::wire::MAX_MESSAGE_BYTES;

    const ELEMENTS: usize = 4;

    fn server() -> Arc<ParameterServer> {
        let mut experiment = Experiment::default();
        experiment.learner.bytes_in_flight = 4 * ELEMENTS as u64;
        Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
    }

    async fn session(server: &Arc<ParameterServer>) -> u64 {
        let session = server.join("w".into(), "p".into()).unwrap().session;
        let spec = TensorSpec {
            name: "w".into(),
            shape: vec![ELEMENTS],
            initializer: Initializer::Zeros,
        };
        server
            .open(session, Layout::new(vec![spec]).unwrap())
            .unwrap();
        session
    }

    /// One element of a gradient as it crosses the wire.
    fn chunk(sequence: u64, offset_elements: u64) -> Bytes {
        let kind = Kind::Gradient(GradientChunk {
            sequence,
            epoch: 1,
            offset_elements,
            total_elements: ELEMENTS as u64,
            encoding: Encoding::F32.into(),
            data: Bytes::from_static(&[0; 4]),
            ..GradientChunk::default()
        });
        let message = TrainRequest { kind: Some(kind) }.encode_to_vec();
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u32(message.len() as u32);
        bytes.put_slice(&message);
        bytes.freeze()
    }

    /// A session's stream as its peer sees it: where frames go, and answers that nobody reads.
    struct Stream {
        frames: mpsc::Sender<Result<http_body::Frame<Bytes>, Status>>,
        _answers: mpsc::Receiver<Result<Down, Status>>,
    }

    fn stream(server: &Arc<ParameterServer>, session: u64) -> (GradientReader, Stream) {
        let (frames, body) = mpsc::channel(8);
        let body = Body::new(StreamBody::new(ReceiverStream::new(body)));
        let inbound = Messages::within(body, MAX_MESSAGE_BYTES, PATIENCE);
        let open = OpenSession::new(Arc::clone(server), Ticket(session), &watch::Sender::new(0));
        let (answers, _answers) = mpsc::channel(64);
        // One that never tells of a stall, for nothing is sent.
        let sending = crate::service::stall::SharedSending::new();
        let ending = watch::Sender::default().subscribe();
        let reader = GradientReader::new(open, inbound, answers, (sending.stall(), ending));
        (reader, Stream { frames, _answers })
    }

    #[tokio::test(start_paused = true)]
    async fn one_half_after_the_other_has_the_time_of_one() {
        let server = server();
        let half = session(&server).await;
        let (reader, stream) = stream(&server, half);
        let reader = tokio::spawn(reader.run());
        tokio::spawn(async move {
            for sequence in 1.. {
                let frame = Ok(http_body::Frame::data(chunk(sequence, 0)));
                if stream.frames.send(frame).await.is_err() {
                    return;
                }
                tokio::time::sleep(PATIENCE / 3).await;
            }
        });
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.room().await;
        assert!(began.elapsed() <= PATIENCE + ONCE_THERE_IS_ROOM);
        reader.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn many_halves_wait_for_room_together_and_not_one_after_the_other() {
        let server = server();
        let mut streams = Vec::new();
        for _ in 0..10 {
            let half = session(&server).await;
            let (reader, stream) = stream(&server, half);
            let frame = Ok(http_body::Frame::data(chunk(1, 0)));
            stream.frames.send(frame).await.unwrap();
            streams.push(stream);
            tokio::spawn(reader.run());
        }
        let began = Instant::now();
        tokio::time::sleep(Duration::from_secs(1)).await;
        server.room().await;
        assert!(began.elapsed() <= PATIENCE + 10 * ONCE_THERE_IS_ROOM);
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_gradient_ends_its_session_however_it_dribbles_and_gives_its_room_back() {
        let server = server();
        let (half, honest) = (session(&server).await, session(&server).await);
        let (reader, stream) = stream(&server, half);
        let reader = tokio::spawn(reader.run());
        for offset in 0..ELEMENTS as u64 - 1 {
            let frame: Result<_, Status> = Ok(http_body::Frame::data(chunk(1, offset)));
            stream.frames.send(frame).await.unwrap();
            tokio::time::sleep(PATIENCE / 4).await;
        }
        assert!(!reader.is_finished());
        let began = Instant::now();
        // All of the budget is held; it comes back when the half gradient is given up.
        server.room().await;
        assert!(began.elapsed() < PATIENCE);
        reader.await.unwrap();
        assert_eq!(server.metrics().overdue_gradients.get(), 1);
        let live: Vec<u64> = server
            .sessions()
            .iter()
            .map(|session| session.session)
            .collect();
        assert_eq!(live, [honest]);
    }
}
