use std::time::Duration;

use troop_common::bounds;
use troop_common::dialling::Dial;
use troop_common::experience::Segment;
use troop_common::proto::{PROTOCOL, v1};
use troop_common::wire::Buffers;
use troop_replay::ReplaySettings;
use troop_replay::codec::settings_to_text;

use super::appended_stream::AppendedStream;
use super::encoded_segments::EncodedSegment;
use super::settings::RemoteReplaySettings;
use super::stream_end::{Search, StreamEnd};
use crate::link::closed::LinkClosed;

/// A worker that goes waits this long for its last segment to be answered.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// The way of a worker that acts to a replay of another process, for callers that are tasks themselves.
///
/// A segment is sent as soon as the one before it was added; the replay says so with the credit for the next. After a lost
/// connection the writer goes on where it was, if the replay still knows it: a segment without an answer is sent again, and
/// counts once. Else another writer begins, and what was not answered is lost: the replay may have added it.
pub struct AsyncReplayWriter {
    settings: RemoteReplaySettings,
    dial: Dial,
    search: Search,
    joined: Option<Joined>,
}

/// What the worker adds.
struct Joined {
    replay: ReplaySettings,
    /// For each stream: also where the writer goes on.
    open: v1::AppendOpen,
    stream: Option<AppendedStream>,
    /// Sequence number of the newest segment.
    sequence: u64,
    unanswered: Option<EncodedSegment>,
    /// Environments were reset since the newest segment.
    interrupted: bool,
    buffers: Buffers<u8>,
}

impl AsyncReplayWriter {
    /// Nothing is added before it opens.
    pub fn new(settings: RemoteReplaySettings) -> Self {
        let dial = settings.dial(settings.worker_index);
        Self {
            search: Search::new(&settings, &dial),
            settings,
            dial,
            joined: None,
        }
    }

    /// As [`ReplayWriter::open`](crate::link::ReplayWriter::open).
    ///
    /// # Errors
    /// As there.
    pub async fn open(
        &mut self,
        settings: &ReplaySettings,
        environments: usize,
    ) -> Result<(), LinkClosed> {
        let text = settings_to_text(settings).map_err(failed)?;
        self.joined = Some(Joined {
            replay: settings.clone(),
            open: v1::AppendOpen {
                protocol: PROTOCOL,
                run: bounds::APPEND_RUN.cut(&self.settings.run),
                worker: bounds::APPEND_WORKER.cut(&self.settings.worker),
                settings: text,
                environments: u32::try_from(environments).map_err(failed)?,
                life: 0,
                writer: 0,
                secret: 0,
            },
            stream: None,
            sequence: 0,
            unanswered: None,
            interrupted: false,
            buffers: Buffers::default(),
        });
        self.with_stream(None).await
    }

    /// As [`ReplayWriter::append`](crate::link::ReplayWriter::append).
    ///
    /// # Errors
    /// As there.
    pub async fn append(&mut self, segment: &Segment) -> Result<(), LinkClosed> {
        let early = || LinkClosed::Failed("a worker adds experience before it opened".into());
        let joined = self.joined.as_mut().ok_or_else(early)?;
        joined.sequence += 1;
        let what = (joined.sequence, std::mem::take(&mut joined.interrupted));
        let encoded = EncodedSegment::new(what, segment, &joined.replay, &joined.buffers);
        self.with_stream(Some(encoded.map_err(failed)?)).await
    }

    /// The environments were reset: what comes next continues nothing.
    pub fn interrupted(&mut self) {
        if let Some(joined) = &mut self.joined {
            joined.interrupted = true;
        }
    }

    /// Ends it. What was sent last is answered first, if that does not take long.
    pub async fn leave(&mut self) {
        let Some(mut joined) = self.joined.take() else {
            return;
        };
        let leaving = async {
            while joined.unanswered.is_some() && joined.wait_for_answer().await.is_ok() {}
            if let Some(stream) = joined.stream.take() {
                stream.leave().await;
            }
        };
        // Who takes longer than that is left behind.
        let _ = tokio::time::timeout(LEAVE_LIMIT, leaving).await;
    }

    /// Does what must be done over a stream, on one after the other until it is.
    async fn with_stream(&mut self, next: Option<EncodedSegment>) -> Result<(), LinkClosed> {
        let settings = self.settings.clone();
        tokio::select! {
            biased;
            closed = settings.ended() => Err(closed),
            done = self.insist(next) => done,
        }
    }

    async fn insist(&mut self, next: Option<EncodedSegment>) -> Result<(), LinkClosed> {
        let early = || LinkClosed::Failed("a worker adds experience before it opened".into());
        let joined = self.joined.as_mut().ok_or_else(early)?;
        let mut next = next;
        loop {
            let tried = joined.attempt(&self.dial, &self.settings, &mut next, &mut self.search);
            match tried.await {
                Ok(()) => return Ok(()),
                Err(end) => {
                    joined.stream = None;
                    self.search.pause(end).await?;
                    // It may have come back elsewhere.
                    self.dial = self.settings.dial(self.settings.worker_index);
                }
            }
        }
    }
}

impl Joined {
    /// Opens a stream if there is none; waits until there is credit for `next`, and sends it.
    async fn attempt(
        &mut self,
        dial: &Dial,
        settings: &RemoteReplaySettings,
        next: &mut Option<EncodedSegment>,
        search: &mut Search,
    ) -> Result<(), StreamEnd> {
        if self.stream.is_none() {
            self.connect(dial, settings, next).await?;
            search.found();
        }
        while self.unanswered.is_some() && next.is_some() {
            self.wait_for_answer().await?;
        }
        if let Some(segment) = next.take() {
            // If the stream is lost meanwhile it is sent again.
            let segment = self.unanswered.insert(segment).clone();
            self.send(&segment).await?;
        }
        Ok(())
    }

    async fn connect(
        &mut self,
        dial: &Dial,
        settings: &RemoteReplaySettings,
        next: &mut Option<EncodedSegment>,
    ) -> Result<(), StreamEnd> {
        let stream = AppendedStream::open(dial, &settings.wire, &self.open).await?;
        let opened = &stream.opened;
        let goes_on = (self.open.life, self.open.writer) == (opened.life, opened.writer)
            && self.open.secret == opened.secret;
        (self.open.life, self.open.writer, self.open.secret) =
            (opened.life, opened.writer, opened.secret);
        let added = stream.credit.added_sequence;
        self.stream = Some(stream);
        if goes_on {
            self.unanswered.take_if(|it| it.sequence <= added);
            if let Some(segment) = self.unanswered.clone() {
                self.send(&segment).await?;
            }
            return Ok(());
        }
        if self.unanswered.take().is_some() {
            tracing::debug!("a segment is lost: the replay knows its writer no more");
        }
        // Another writer counts from 1, and continues nothing.
        self.sequence = added;
        if let Some(segment) = next {
            self.sequence += 1;
            segment.sequence = self.sequence;
            segment.interrupted = false;
        }
        Ok(())
    }

    async fn send(&mut self, segment: &EncodedSegment) -> Result<(), StreamEnd> {
        let lost = || StreamEnd::Lost("there is no stream".into());
        let stream = self.stream.as_mut().ok_or_else(lost)?;
        for message in segment.messages() {
            stream.send(message).await?;
        }
        Ok(())
    }

    async fn wait_for_answer(&mut self) -> Result<(), StreamEnd> {
        let lost = || StreamEnd::Lost("there is no stream".into());
        let stream = self.stream.as_mut().ok_or_else(lost)?;
        stream.answered().await?;
        let added = stream.credit.added_sequence;
        self.unanswered.take_if(|it| it.sequence <= added);
        Ok(())
    }
}

fn failed(error: impl std::fmt::Display) -> LinkClosed {
    LinkClosed::Failed(error.to_string())
}
