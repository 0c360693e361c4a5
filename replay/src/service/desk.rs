use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::replay::{Replay, ReplayError, WriterId};

/// A writer whose stream is lost may go on within this time.
const RESUME_LIMIT: Duration = Duration::from_secs(30);

/// Writers that are there, also those whose stream was just lost.
#[derive(Debug)]
pub(super) struct Desk {
    /// Drawn from the system's randomness; makes a secret of each writer's number.
    secrets: RandomState,
    writers: Mutex<BTreeMap<WriterId, Entry>>,
}

#[derive(Debug)]
struct Entry {
    environments: usize,
    added_sequence: u64,
    /// Counts its streams.
    stream: u64,
    /// What is dropped here tells its stream to end; none if it has no stream.
    open: Option<oneshot::Sender<()>>,
}

/// A writer with a stream. If it is dropped the writer may go on with another stream, for a while.
pub(super) struct Attached {
    desk: Arc<Desk>,
    replay: Arc<Replay>,
    pub(super) writer: WriterId,
    pub(super) secret: u64,
    pub(super) environments: usize,
    /// Sequence number of the newest segment that was added.
    pub(super) added_sequence: u64,
    stream: u64,
    ended: oneshot::Receiver<()>,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            secrets: RandomState::new(),
            writers: Mutex::default(),
        }
    }

    /// A new writer. If there is no room for its environments, those go that have lost their stream, and then those that
    /// have added nothing.
    ///
    /// # Errors
    /// If there is none even so.
    pub(super) fn join(
        self: &Arc<Self>,
        replay: &Arc<Replay>,
        environments: usize,
    ) -> Result<Attached, ReplayError> {
        let writer = loop {
            match replay.join(environments) {
                Err(ReplayError::TooManyEnvironments { .. }) if self.make_room(replay) => {}
                joined => break joined?,
            }
        };
        let entry = Entry {
            environments,
            added_sequence: 0,
            stream: 0,
            open: None,
        };
        self.lock().insert(writer, entry);
        let attached = self.attach(replay, writer);
        attached.ok_or(ReplayError::NoSuchWriter(writer))
    }

    /// A writer goes on with another stream; none if it is not there, or the secret is not its own.
    pub(super) fn resume(
        self: &Arc<Self>,
        replay: &Arc<Replay>,
        (writer, secret): (WriterId, u64),
        environments: usize,
    ) -> Option<Attached> {
        (secret == self.secret(writer)).then_some(())?;
        let same = self.lock().get(&writer)?.environments == environments;
        same.then(|| self.attach(replay, writer)).flatten()
    }

    fn attach(self: &Arc<Self>, replay: &Arc<Replay>, writer: WriterId) -> Option<Attached> {
        let mut writers = self.lock();
        let entry = writers.get_mut(&writer)?;
        let (open, ended) = oneshot::channel();
        entry.open = Some(open);
        entry.stream += 1;
        Some(Attached {
            desk: Arc::clone(self),
            replay: Arc::clone(replay),
            secret: self.secret(writer),
            environments: entry.environments,
            added_sequence: entry.added_sequence,
            stream: entry.stream,
            writer,
            ended,
        })
    }

    fn make_room(&self, replay: &Replay) -> bool {
        let mut writers = self.lock();
        let lost = writers.iter().find(|(_, entry)| entry.open.is_none());
        let silent = || writers.iter().find(|(_, entry)| entry.added_sequence == 0);
        let Some(writer) = lost.or_else(silent).map(|(writer, _)| *writer) else {
            return false;
        };
        writers.remove(&writer);
        replay.leave(writer);
        tracing::info!(%writer, "writer makes room for another");
        true
    }

    /// A stream has ended: the writer leaves unless it goes on in time.
    fn detach(self: &Arc<Self>, replay: &Arc<Replay>, writer: WriterId, stream: u64) {
        {
            let mut writers = self.lock();
            match writers.get_mut(&writer) {
                Some(entry) if entry.stream == stream => entry.open = None,
                _ => return,
            }
        }
        let (desk, replay) = (Arc::clone(self), Arc::clone(replay));
        // Without a runtime the process is about to end.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                tokio::time::sleep(RESUME_LIMIT).await;
                desk.leave(&replay, writer, stream);
            });
        }
    }

    fn leave(&self, replay: &Replay, writer: WriterId, stream: u64) {
        let mut writers = self.lock();
        if writers.get(&writer).is_some_and(|it| it.stream == stream) {
            writers.remove(&writer);
            replay.leave(writer);
            tracing::debug!(%writer, "writer leaves");
        }
    }

    fn secret(&self, writer: WriterId) -> u64 {
        self.secrets.hash_one(writer)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WriterId, Entry>> {
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attached {
    /// A segment was added.
    pub(super) fn added(&mut self, sequence: u64) {
        self.added_sequence = sequence;
        if let Some(entry) = self.desk.lock().get_mut(&self.writer) {
            entry.added_sequence = sequence;
        }
    }

    /// Completes once the writer has another stream, or had to make room.
    pub(super) async fn ended(&mut self) {
        // What is dropped tells it.
        let _ = (&mut self.ended).await;
    }

    /// The worker goes, and does not come back.
    pub(super) fn leave(&self) {
        self.desk.leave(&self.replay, self.writer, self.stream);
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.desk.detach(&self.replay, self.writer, self.stream);
    }
}
