//! A replay that several workers fill and several others draw from.

mod appended;
mod core;
mod drawn;
mod engine;
mod in_place;
mod layout;
mod replay_counts;
mod replay_error;
pub(crate) mod segment_refused;
mod wait;
mod writer_id;
mod writers;

pub use appended::Appended;
pub use drawn::{Drawn, DrawnItems};
pub use in_place::InPlace;
pub(crate) use in_place::ItemsInPlace;
pub use replay_counts::ReplayCounts;
pub use replay_error::ReplayError;
pub use segment_refused::SegmentRefused;
pub use wait::Wait;
pub use writer_id::WriterId;

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use rand_chacha::ChaCha8Rng;
use tokio::sync::Notify;
use troop_common::experience::Segment;

use self::core::Core;
use crate::settings::{ReplayRefused, ReplaySettings};

/// What holds experience of many writers, and gives items of it. To be shared behind an `Arc`.
///
/// Who adds and who draws may have to wait for the other side, see [`RateLimiter`](crate::RateLimiter). Waiting is the
/// caller's: with a thread by [`wait_until_appendable`](Self::wait_until_appendable) and
/// [`wait_until_drawable`](Self::wait_until_drawable); else by [`reserve`](Self::reserve), [`is_drawable`](Self::is_drawable)
/// and [`changes`](Self::changes).
#[derive(Debug)]
pub struct Replay {
    core: Mutex<Core>,
    changed: Condvar,
    changes: Notify,
}

/// Who waits.
#[derive(Clone, Copy)]
enum Side {
    Append,
    Draw,
}

impl Replay {
    /// An empty replay. It takes memory as it fills, and never more than its settings say.
    ///
    /// # Errors
    /// If nothing could ever be drawn, or both sides could wait for each other.
    pub fn new(settings: ReplaySettings) -> Result<Self, ReplayRefused> {
        Ok(Self {
            core: Mutex::new(Core::new(settings)?),
            changed: Condvar::new(),
            changes: Notify::new(),
        })
    }

    /// One life of a worker with so many environments begins.
    ///
    /// # Errors
    /// If there is no room for them, or the replay is closed.
    pub fn join(&self, environments: usize) -> Result<WriterId, ReplayError> {
        self.lock().join(environments)
    }

    /// It is over. What it added stays; its unfinished episodes are cut off.
    pub fn leave(&self, writer: WriterId) {
        self.lock().leave(writer);
        self.tell();
    }

    /// A writer's environments were reset: what comes next continues nothing.
    ///
    /// # Errors
    /// If it is not there.
    pub fn interrupt(&self, writer: WriterId) -> Result<(), ReplayError> {
        self.lock().interrupt(writer)?;
        self.tell();
        Ok(())
    }

    /// Adds a writer's segment, which begins where its last one ended. `sequence` grows by one with each: one that is not above the
    /// last is discarded, and if some are missing, episodes are cut off before it.
    ///
    /// It is not asked whether there was leave to add; that is [`reserve`](Self::reserve)'s.
    ///
    /// # Errors
    /// If the writer is not there, the segment is not one that the replay is made for, or the replay is closed.
    pub fn append(
        &self,
        writer: WriterId,
        sequence: u64,
        segment: &Segment,
    ) -> Result<Appended, ReplayError> {
        let appended = self.lock().append(writer, sequence, segment)?;
        self.tell();
        Ok(appended)
    }

    /// `count` items, with importance weights `(N·P)^−β` over their maximum; absent while it is not their time, or there are too
    /// few.
    ///
    /// # Errors
    /// If more are asked for than the replay is made for.
    pub fn draw(
        &self,
        count: usize,
        importance_exponent: f64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Option<Drawn>, ReplayError> {
        let gather = |drawn: InPlace<'_>| drawn.gather();
        self.draw_in_place(count, importance_exponent, rng, gather)
    }

    /// The same for who can read items where they lie, which holds up all others.
    ///
    /// # Errors
    /// As there.
    pub fn draw_in_place<T>(
        &self,
        count: usize,
        importance_exponent: f64,
        rng: &mut ChaCha8Rng,
        read: impl FnOnce(InPlace<'_>) -> T,
    ) -> Result<Option<T>, ReplayError> {
        let drawn = self.lock().draw(count, importance_exponent, rng, read)?;
        if drawn.is_some() {
            self.tell();
        }
        Ok(drawn)
    }

    /// Takes note of items' TD errors; of a stretch, of one number that they come to, see
    /// [`sequence_priority`](crate::sequence_priority). An item that is gone stays so and is counted.
    pub fn reprioritise(&self, keys: &[u64], td_errors: &[f32]) {
        self.lock().reprioritise(keys, td_errors);
    }

    /// What it holds is of an earlier life: it is not counted, and nobody waits because of it.
    pub(crate) fn begin_here(&self) {
        self.lock().begin_here();
        self.tell();
    }

    /// Tells it the newest version of the weights, for the ages in its counts.
    pub fn tell_version(&self, version: u64) {
        self.lock().tell_version(version);
    }

    /// Whether a writer may add so many env steps now. If so they are kept free for it until it adds, or leaves.
    ///
    /// # Errors
    /// If the writer is not there, or so many never can be added at once.
    pub fn reserve(&self, writer: WriterId, env_steps: usize) -> Result<bool, ReplayError> {
        self.lock().reserve(writer, env_steps)
    }

    /// Whether `count` items could be drawn now.
    ///
    /// # Errors
    /// If so many never can be.
    pub fn is_drawable(&self, count: usize) -> Result<bool, ReplayError> {
        self.lock().is_drawable(count)
    }

    /// Blocks this thread until a writer may add so many env steps, which are then kept free for it.
    ///
    /// # Errors
    /// If the writer is not there, or so many never can be added at once.
    pub fn wait_until_appendable(
        &self,
        writer: WriterId,
        env_steps: usize,
        deadline: Instant,
    ) -> Result<Wait, ReplayError> {
        self.wait(Side::Append, deadline, |core| {
            core.reserve(writer, env_steps)
        })
    }

    /// Blocks this thread until `count` items can be drawn. Somebody else may be faster.
    ///
    /// # Errors
    /// If so many never can be drawn.
    pub fn wait_until_drawable(
        &self,
        count: usize,
        deadline: Instant,
    ) -> Result<Wait, ReplayError> {
        self.wait(Side::Draw, deadline, |core| core.is_drawable(count))
    }

    /// Wakes tasks whenever somebody who waits may be able to go on, in the order in which they began to wait: so each has its
    /// turn.
    pub fn changes(&self) -> &Notify {
        &self.changes
    }

    /// Nothing more is added, and who waits is woken. What is there can be drawn.
    pub fn close(&self) {
        self.lock().close();
        self.tell();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.lock().is_closed()
    }

    /// What it has done and what it holds.
    pub fn counts(&self) -> ReplayCounts {
        self.lock().counts()
    }

    /// A writer, or who draws, begins to wait.
    pub(crate) fn begin_wait(&self, append: bool) {
        self.lock().begin_wait(append);
    }

    /// It has waited for so long.
    pub(crate) fn end_wait(&self, append: bool, lasted: Duration) {
        self.lock().end_wait(append, lasted);
    }

    fn wait(
        &self,
        side: Side,
        deadline: Instant,
        ready: impl Fn(&mut Core) -> Result<bool, ReplayError>,
    ) -> Result<Wait, ReplayError> {
        let mut core = self.lock();
        if let Some(end) = look(&mut core, &ready)? {
            return Ok(end);
        }
        let began = Instant::now();
        core.begin_wait(matches!(side, Side::Append));
        let end = loop {
            if self.changed.wait_until(&mut core, deadline).timed_out() {
                break Ok(Wait::TimedOut);
            }
            match look(&mut core, &ready) {
                Ok(None) => {}
                Ok(Some(end)) => break Ok(end),
                Err(error) => break Err(error),
            }
        };
        core.end_wait(matches!(side, Side::Append), began.elapsed());
        end
    }

    fn tell(&self) {
        self.changed.notify_all();
        self.changes.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock()
    }
}

/// Whether a wait is over.
fn look(
    core: &mut Core,
    ready: impl Fn(&mut Core) -> Result<bool, ReplayError>,
) -> Result<Option<Wait>, ReplayError> {
    if core.is_closed() {
        return Ok(Some(Wait::Closed));
    }
    Ok(ready(core)?.then_some(Wait::Ready))
}
