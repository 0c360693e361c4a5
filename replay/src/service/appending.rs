//! Streams of `Append`.

use std::pin::pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use troop_common::bounds;
use troop_common::call_error::CallError;
use troop_common::experience::Segment;
use troop_common::proto::v1;
use troop_common::proto::v1::append_response::Kind;
use troop_common::serving::{MESSAGE_PATIENCE, first_message, refusal};
use troop_common::wire::{
    AppendMessage, MAX_MESSAGE_BYTES, Messages, Outgoing, Parts, Rope, WireError,
};

use super::closing::{end, status_of};
use super::desk::Attached;
use super::room::Taken;
use super::seats::Seat;
use super::shared::{Made, Shared};
use super::waiting::Waiting;
use crate::codec::{LARGEST_SEGMENT, decode_segment};
use crate::journal::Entry;
use crate::replay::WriterId;

/// Answers that have not been sent: each follows a segment, so there is one or two.
const ANSWERS_WAITING: usize = 4;

/// A segment that has begun to come is whole within this time, for others wait for its room.
const SEGMENT_PATIENCE: Duration = Duration::from_secs(10);

type Answers = mpsc::Sender<Result<Outgoing, Status>>;

/// Opens a stream, whose first message says who adds.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    body: Body,
) -> Result<ReceiverStream<Result<Outgoing, Status>>, Status> {
    let full = || CallError::Full.status("as many workers add already as the replay takes");
    let seat = shared.writers.take().ok_or_else(full)?;
    let mut inbound = Messages::within(body, MAX_MESSAGE_BYTES, MESSAGE_PATIENCE);
    let open = read_open(first_message(&mut inbound).await?)?;
    shared.check_caller(open.protocol, &open.run)?;
    if let Some(closing) = &*shared.closing.borrow() {
        return Err(closing.status());
    }
    let made = shared.make(&open.settings)?;
    let attached = attach(shared, &made, &open)?;
    tracing::debug!(
        writer = %attached.writer,
        worker = bounds::APPEND_WORKER.cut(&open.worker),
        "worker adds"
    );
    let (answers, unsent) = mpsc::channel(ANSWERS_WAITING);
    let appending = Appending {
        segment: Segment::new(attached.environments, &made.settings.spaces),
        shared: Arc::clone(shared),
        made,
        attached,
        seat,
        answers,
        parts: Parts::default(),
        coming: None,
    };
    tokio::spawn(appending.run(inbound));
    Ok(ReceiverStream::new(unsent))
}

fn read_open(first: Option<Rope>) -> Result<v1::AppendOpen, Status> {
    let not_opened = "the stream must begin with an `open` message that says who adds";
    let first = first.ok_or_else(|| CallError::Stream.status(not_opened))?;
    match AppendMessage::read(first) {
        Ok(AppendMessage::Open(open)) => Ok(open),
        Ok(_) => Err(CallError::Stream.status(not_opened)),
        Err(error) => Err(CallError::Stream.status(&error)),
    }
}

/// The writer goes on if it is still there, else another one begins.
fn attach(shared: &Arc<Shared>, made: &Made, open: &v1::AppendOpen) -> Result<Attached, Status> {
    let environments = open.environments as usize;
    if open.life == shared.settings.life {
        let known = (WriterId(open.writer), open.secret);
        if let Some(attached) = shared.desk.resume(&made.replay, known, environments) {
            return Ok(attached);
        }
    }
    let joined = shared.desk.join(&made.replay, environments);
    joined.map_err(|error| status_of(&error))
}

/// One stream.
struct Appending {
    shared: Arc<Shared>,
    made: Arc<Made>,
    attached: Attached,
    seat: Seat,
    answers: Answers,
    /// What has come of the next segment, and where that is held.
    parts: Parts,
    coming: Option<Coming>,
    /// The last one; its memory is used again.
    segment: Segment,
}

/// A segment that comes.
struct Coming {
    _room: Taken,
    due: Instant,
    sequence: u64,
    interrupted: bool,
}

impl Appending {
    async fn run(mut self, mut inbound: Messages<Body>) {
        let answers = self.answers.clone();
        let shared = Arc::clone(&self.shared);
        let ended = tokio::select! {
            biased;
            why = shared.closes() => Err(why),
            // The connection is gone; the worker may come back.
            () = answers.closed() => return,
            ended = self.work(&mut inbound) => ended,
        };
        if let Err(status) = ended {
            tracing::debug!(writer = %self.attached.writer, reason = status.message(), "a stream of Append ends");
            end(&answers, status).await;
        }
    }

    /// Until the worker leaves.
    async fn work(&mut self, inbound: &mut Messages<Body>) -> Result<(), Status> {
        let opened = v1::AppendOpened {
            life: self.shared.settings.life,
            writer: self.attached.writer.0,
            secret: self.attached.secret,
            credit: Some(self.credit()),
        };
        self.answer(Kind::Opened(opened)).await;
        while let Some(message) = self.next(inbound).await? {
            match AppendMessage::read(message) {
                Ok(AppendMessage::Segment(chunk, data)) => self.accept(&chunk, data).await?,
                Ok(AppendMessage::Unknown) => {}
                Ok(AppendMessage::Open(_)) => {
                    return Err(CallError::Stream.status("`open` came twice"));
                }
                Err(error) => return Err(CallError::Stream.status(&error)),
            }
        }
        self.attached.leave();
        Ok(())
    }

    /// The next message, in time; none once the worker has ended the stream.
    async fn next(&mut self, inbound: &mut Messages<Body>) -> Result<Option<Rope>, Status> {
        let due = self.coming.as_ref().map(|coming| coming.due);
        let next = async {
            match due {
                Some(due) => timeout_at(due, inbound.next())
                    .await
                    .unwrap_or_else(|_| Err(WireError::TooSlow(SEGMENT_PATIENCE.as_secs()).into())),
                None => inbound.next().await,
            }
        };
        tokio::select! {
            biased;
            () = self.attached.ended() => {
                Err(CallError::Session.status("the writer has another stream, or had to make room"))
            }
            () = self.seat.needed() => Err(CallError::Full.status("others need the place")),
            message = next => message.map_err(refusal),
        }
    }

    async fn accept(&mut self, chunk: &v1::SegmentChunk, data: Rope) -> Result<(), Status> {
        let malformed = |error: &dyn std::fmt::Display| CallError::Stream.status(error);
        let credit = self.credit().credit_sequence;
        if !(1..=credit).contains(&chunk.sequence) {
            let found = chunk.sequence;
            return Err(malformed(&format!(
                "segment {found} came; the writer has credit from 1 to {credit}"
            )));
        }
        let most = self.made.portions.append.min(LARGEST_SEGMENT);
        if self.coming.is_none() {
            let total = chunk.total_bytes.min(most) as usize;
            self.coming = Some(Coming {
                _room: self.shared.append_room.take(total).await,
                due: Instant::now() + SEGMENT_PATIENCE,
                sequence: chunk.sequence,
                interrupted: chunk.interrupted,
            });
        }
        let place = (chunk.offset_bytes, chunk.total_bytes);
        let whole = self.parts.accept(place, most, data);
        let Some(bytes) = whole.map_err(|error| malformed(&error))? else {
            return Ok(());
        };
        let Some(coming) = self.coming.take() else {
            return Ok(());
        };
        if coming.sequence != chunk.sequence {
            return Err(malformed(
                &"a segment has chunks of several sequence numbers",
            ));
        }
        self.shared.metrics.received_bytes.inc_by(chunk.total_bytes);
        self.add(&coming, bytes).await?;
        self.seat.spoke();
        self.answer(Kind::Credit(self.credit())).await;
        Ok(())
    }

    /// Adds a segment as soon as those who draw let it.
    async fn add(&mut self, coming: &Coming, bytes: Rope) -> Result<(), Status> {
        let (settings, environments) = (&self.made.settings, self.attached.environments);
        let journalled = self.made.journal.clone().map(|it| (it, bytes.clone()));
        decode_segment(bytes, settings, environments, &mut self.segment)
            .map_err(|error| CallError::Stream.status(&error))?;
        let (replay, writer) = (&self.made.replay, self.attached.writer);
        let is_new = coming.sequence > self.attached.added_sequence;
        if is_new {
            self.wait_until_appendable().await?;
            if coming.interrupted {
                replay
                    .interrupt(writer)
                    .map_err(|error| status_of(&error))?;
            }
        }
        replay
            .append(writer, coming.sequence, &self.segment)
            .map_err(|error| status_of(&error))?;
        if is_new {
            self.attached.added(coming.sequence);
        }
        if let Some((journal, bytes)) = journalled.filter(|_| is_new) {
            let entry = self.entry(coming);
            let write = move || {
                let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
                journal.append(&entry, &bytes);
            };
            // The disk may be slow. If the write panics the segment is there all the same.
            let _ = tokio::task::spawn_blocking(write).await;
        }
        Ok(())
    }

    fn entry(&self, coming: &Coming) -> Entry {
        let narrow = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Entry {
            life: self.shared.settings.life,
            writer: self.attached.writer.0,
            environments: narrow(self.attached.environments),
            sequence: coming.sequence,
            env_steps: narrow(self.segment.len()),
            interrupted: coming.interrupted,
        }
    }

    async fn wait_until_appendable(&self) -> Result<(), Status> {
        let (replay, writer) = (&self.made.replay, self.attached.writer);
        let (_turn, mut waiting) = self.made.appends.next(replay, true).await;
        loop {
            let mut changed = pin!(replay.changes().notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let may = replay.reserve(writer, self.segment.len());
            if may.map_err(|error| status_of(&error))? {
                return Ok(());
            }
            waiting.get_or_insert_with(|| Waiting::begin(replay, true));
            changed.await;
        }
    }

    fn credit(&self) -> v1::Credit {
        let added_sequence = self.attached.added_sequence;
        v1::Credit {
            added_sequence,
            credit_sequence: added_sequence.saturating_add(1),
        }
    }

    async fn answer(&self, kind: Kind) {
        let message = v1::AppendResponse { kind: Some(kind) };
        // If nobody reads it any more the stream ends.
        let _ = self.answers.send(Ok(Outgoing::new(&message))).await;
    }
}
