//! The replay between workers of one process that act and others that train.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use tokio::sync::watch;
use troop_actor::link::{LinkClosed, ReplayReader, ReplayWriter};
use troop_common::experience::Segment;
use troop_common::role::Role;
use troop_common::spaces::Spaces;
use troop_learner::Phase;
use troop_replay::available_memory::{self, ReplayDemand, ReplayTooLarge};
use troop_replay::{Drawn, Replay, ReplaySettings, Wait, WriterId};

/// How long somebody waits before it looks again. Whatever ends a wait wakes it sooner.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The replay of an embedded run: made as the first worker that acts says, and closed when the run is over.
pub(super) struct LocalReplay {
    state: Mutex<State>,
    changed: Condvar,
    phase: watch::Receiver<Phase>,
}

#[derive(Default)]
struct State {
    made: Option<Made>,
    closed: Option<LinkClosed>,
    /// Workers that are there, by role.
    present: BTreeMap<Role, usize>,
}

#[derive(Clone)]
struct Made {
    settings: ReplaySettings,
    replay: Arc<Replay>,
}

/// A worker that is there. Once the last of its role has gone nobody can go on: the replay is closed.
pub(super) struct Presence {
    replay: Arc<LocalReplay>,
    role: Role,
}

impl Presence {
    /// What it works with.
    pub(super) fn replay(&self) -> Arc<LocalReplay> {
        Arc::clone(&self.replay)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let left = {
            let mut state = self.replay.lock();
            let present = state.present.entry(self.role).or_default();
            *present = present.saturating_sub(1);
            *present
        };
        if left == 0 {
            self.replay
                .close(self.replay.run_is_over().unwrap_or_else(|| {
                    let role = self.role.name();
                    LinkClosed::Failed(format!(
                        "no worker is left whose role is \"{role}\"; the log says why they ended"
                    ))
                }));
        }
    }
}

impl LocalReplay {
    /// Nothing yet, of a run whose phase this is.
    pub(super) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            phase,
        }
    }

    /// Closes it once the run is over.
    pub(super) async fn close_at_end(self: Arc<Self>) {
        let mut phase = self.phase.clone();
        // The sender lives as long as the run's learner.
        let _ = phase.wait_for(|phase| *phase != Phase::Running).await;
        if let Some(why) = self.run_is_over() {
            self.close(why);
        }
    }

    fn run_is_over(&self) -> Option<LinkClosed> {
        match &*self.phase.borrow() {
            Phase::Running => None,
            Phase::Draining(why) | Phase::Finished(why) => Some(LinkClosed::Finished(why.clone())),
        }
    }

    /// So many workers of a role, which are there from now on.
    pub(super) fn presences(
        self: &Arc<Self>,
        role: Role,
        count: usize,
    ) -> impl Iterator<Item = Presence> {
        *self.lock().present.entry(role).or_default() += count;
        let replay = Arc::clone(self);
        (0..count).map(move |_| Presence {
            replay: Arc::clone(&replay),
            role,
        })
    }

    /// Ends it: who waits is told why. The first reason stays.
    pub(super) fn close(&self, why: LinkClosed) {
        let mut state = self.lock();
        state.closed.get_or_insert(why);
        if let Some(made) = &state.made {
            made.replay.close();
        }
        self.changed.notify_all();
    }

    fn open(&self, settings: &ReplaySettings) -> Result<Arc<Replay>, LinkClosed> {
        let mut state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        if let Some(made) = &state.made {
            return match made.settings == *settings {
                true => Ok(Arc::clone(&made.replay)),
                false => Err(LinkClosed::Failed(format!(
                    "the replay is made for other experience: expected {:?}, found {settings:?}",
                    made.settings
                ))),
            };
        }
        refuse_without_memory(settings).map_err(failed)?;
        let replay = Replay::new(settings.clone()).map_err(failed)?;
        let replay = Arc::new(replay);
        state.made = Some(Made {
            settings: settings.clone(),
            replay: Arc::clone(&replay),
        });
        self.changed.notify_all();
        Ok(replay)
    }

    /// Waits for the first worker that acts.
    fn made(&self) -> Result<Made, LinkClosed> {
        let mut state = self.lock();
        loop {
            if let Some(closed) = &state.closed {
                return Err(closed.clone());
            }
            if let Some(made) = &state.made {
                return Ok(made.clone());
            }
            let woken = self.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Why it was closed.
    fn why_closed(&self) -> LinkClosed {
        let closed = self.lock().closed.clone();
        closed.unwrap_or_else(|| LinkClosed::Failed("the replay is closed".into()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way of a worker that acts to the replay of its process.
pub(super) struct LocalWriter {
    shared: Arc<LocalReplay>,
    joined: Option<JoinedReplay>,
}

struct JoinedReplay {
    replay: Arc<Replay>,
    writer: WriterId,
    sequence: u64,
}

impl LocalWriter {
    /// Nothing is added before it opens.
    pub(super) fn new(shared: Arc<LocalReplay>) -> Self {
        Self {
            shared,
            joined: None,
        }
    }

    fn joined(&mut self) -> Result<&mut JoinedReplay, LinkClosed> {
        let early = || LinkClosed::Failed("a worker adds experience before it opened".into());
        self.joined.as_mut().ok_or_else(early)
    }
}

impl ReplayWriter for LocalWriter {
    fn open(&mut self, settings: &ReplaySettings, environments: usize) -> Result<(), LinkClosed> {
        let replay = self.shared.open(settings)?;
        let writer = replay.join(environments).map_err(failed)?;
        self.joined = Some(JoinedReplay {
            replay,
            writer,
            sequence: 0,
        });
        Ok(())
    }

    fn append(&mut self, segment: &Segment) -> Result<(), LinkClosed> {
        let shared = Arc::clone(&self.shared);
        let joined = self.joined()?;
        loop {
            let deadline = Instant::now() + LOOK_AGAIN;
            let (replay, writer) = (&joined.replay, joined.writer);
            let wait = replay.wait_until_appendable(writer, segment.len(), deadline);
            match wait.map_err(failed)? {
                Wait::Ready => break,
                Wait::TimedOut => {}
                Wait::Closed => return Err(shared.why_closed()),
            }
        }
        joined.sequence += 1;
        let appended = joined
            .replay
            .append(joined.writer, joined.sequence, segment);
        match appended {
            Ok(_) => Ok(()),
            Err(_) if joined.replay.is_closed() => Err(shared.why_closed()),
            Err(error) => Err(failed(error)),
        }
    }

    fn interrupted(&mut self) -> Result<(), LinkClosed> {
        let joined = self.joined()?;
        joined.replay.interrupt(joined.writer).map_err(failed)
    }
}

impl Drop for LocalWriter {
    fn drop(&mut self) {
        if let Some(joined) = &self.joined {
            joined.replay.leave(joined.writer);
        }
    }
}

/// The way of a worker that trains to the replay of its process.
pub(super) struct LocalReader {
    shared: Arc<LocalReplay>,
    made: Option<Made>,
}

impl LocalReader {
    /// Waits for the first worker that acts when it is asked something.
    pub(super) fn new(shared: Arc<LocalReplay>) -> Self {
        Self { shared, made: None }
    }

    fn made(&mut self) -> Result<&Made, LinkClosed> {
        match &mut self.made {
            Some(made) => Ok(made),
            none => Ok(none.insert(self.shared.made()?)),
        }
    }
}

impl ReplayReader for LocalReader {
    fn spaces(&mut self) -> Result<Spaces, LinkClosed> {
        Ok(self.made()?.settings.spaces.clone())
    }

    fn draw(
        &mut self,
        items: usize,
        importance_exponent: f64,
        version: u64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Drawn, LinkClosed> {
        let replay = Arc::clone(&self.made()?.replay);
        replay.tell_version(version);
        loop {
            let deadline = Instant::now() + LOOK_AGAIN;
            let wait = replay
                .wait_until_drawable(items, deadline)
                .map_err(failed)?;
            if wait == Wait::Closed {
                return Err(self.shared.why_closed());
            }
            // Somebody else may have been faster.
            let drawn = replay
                .draw(items, importance_exponent, rng)
                .map_err(failed)?;
            if let Some(drawn) = drawn {
                return Ok(drawn);
            }
        }
    }

    fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        if let Some(made) = &self.made {
            made.replay.reprioritise(keys, td_errors);
        }
    }
}

/// It takes memory as it fills: it has to be there then.
fn refuse_without_memory(settings: &ReplaySettings) -> Result<(), ReplayTooLarge> {
    let demand = ReplayDemand {
        bytes_per_worker: settings.bytes,
        capacity_key: "topology.replay_bytes",
        capacity: settings.bytes as usize,
    };
    available_memory::check(&demand, 1)
}

fn failed(error: impl std::fmt::Display) -> LinkClosed {
    LinkClosed::Failed(error.to_string())
}
