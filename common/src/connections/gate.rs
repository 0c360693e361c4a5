use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::{IntCounterVec, IntGauge, Registry};
use tokio::sync::{Notify, oneshot};

use super::metrics::{DROPPED, OPEN};
use crate::descriptors::{self, RESERVED};
use crate::metrics::Metric;

/// A process has room for so many, whatever its limit says.
const FEWEST: u64 = 16;

/// More than this many are bounded by something else.
const MOST: u64 = 1 << 20;

/// How many connections a process takes. One that has asked for nothing yet is *silent*; if there are too many
/// of them, or of all, the one that has been silent for longest makes room for the next.
#[derive(Clone, Debug)]
pub struct Gate {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    most_silent: usize,
    inside: Mutex<Inside>,
    left: Notify,
    open: IntGauge,
    dropped: IntCounterVec,
}

#[derive(Debug, Default)]
struct Inside {
    open: usize,
    last_id: u64,
    /// By age. What is dropped here tells its connection to end.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
}

/// Why a connection was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// It asked for nothing for too long.
    Silent,
    /// Others needed its room.
    Crowded,
    /// It did not read what it had asked for.
    Unread,
}

impl Cause {
    const ALL: [Self; 3] = [Self::Silent, Self::Crowded, Self::Unread];

    fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Crowded => "crowded",
            Self::Unread => "unread",
        }
    }
}

impl Gate {
    /// For as many connections as this process has descriptors for, with some kept back.
    /// `<prefix>_connections` and `<prefix>_connections_dropped_total` are registered in `registry`.
    ///
    /// # Errors
    /// If the registry has them already.
    pub fn of_process(prefix: &str, registry: &Registry) -> prometheus::Result<Self> {
        let gate = Self::new(prefix, Self::most_of_process())?;
        registry.register(gate.shared.open.collector())?;
        registry.register(gate.shared.dropped.collector())?;
        Ok(gate)
    }

    /// Connections for which this process has descriptors.
    pub fn most_of_process() -> usize {
        let free = descriptors::limit().saturating_sub(RESERVED);
        free.clamp(FEWEST, MOST) as usize
    }

    /// For `most` connections, half of which may be silent.
    ///
    /// # Errors
    /// If no metric can be called `<prefix>_connections`.
    pub fn new(prefix: &str, most: usize) -> prometheus::Result<Self> {
        let open = OPEN.make(prefix)?;
        let dropped: IntCounterVec = DROPPED.make(prefix)?;
        for cause in Cause::ALL {
            dropped.with_label_values(&[cause.name()]);
        }
        Ok(Self {
            shared: Arc::new(Shared {
                most,
                most_silent: (most / 2).max(1),
                inside: Mutex::default(),
                left: Notify::new(),
                open,
                dropped,
            }),
        })
    }

    /// Waits for room for one more, from `peer`.
    pub(super) async fn enter(&self, peer: String) -> Visit {
        loop {
            // Made before it is looked, so that none who leaves is missed.
            let left = self.shared.left.notified();
            if let Some(visit) = self.try_enter(&peer) {
                return visit;
            }
            left.await;
        }
    }

    fn try_enter(&self, peer: &str) -> Option<Visit> {
        let shared = &self.shared;
        let mut inside = shared.inside();
        let is_full = inside.open >= shared.most;
        if (is_full || inside.silent.len() >= shared.most_silent)
            && inside.silent.pop_first().is_some()
        {
            shared.count(Cause::Crowded);
        }
        if is_full {
            return None;
        }
        inside.open += 1;
        inside.last_id += 1;
        let id = inside.last_id;
        let (sender, evicted) = oneshot::channel();
        inside.silent.insert(id, sender);
        shared.open.set(inside.open as i64);
        Some(Visit {
            connection: Connection {
                peer: peer.into(),
                id,
                spoken: Arc::default(),
                shared: Arc::clone(shared),
            },
            evicted,
        })
    }
}

impl Shared {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, cause: Cause) {
        self.dropped.with_label_values(&[cause.name()]).inc();
    }
}

/// A connection, as the requests that come over it know it: each has one among its extensions.
#[derive(Clone, Debug)]
pub struct Connection {
    peer: Arc<str>,
    id: u64,
    spoken: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Connection {
    /// Who is at its other end: address and port, or the process behind a Unix socket.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Its number, which no other connection of this process has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whoever is there may ask and has asked for something.
    pub fn spoke(&self) {
        if !self.spoken.swap(true, Ordering::AcqRel) {
            self.shared.inside().silent.remove(&self.id);
        }
    }

    pub(super) fn has_spoken(&self) -> bool {
        self.spoken.load(Ordering::Acquire)
    }

    pub(super) fn dropped(&self, cause: Cause) {
        self.shared.count(cause);
    }
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) connection: Connection,
    /// Completes if the place is needed, unless the connection has spoken.
    pub(super) evicted: oneshot::Receiver<()>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        let shared = &self.connection.shared;
        let mut inside = shared.inside();
        inside.silent.remove(&self.connection.id);
        inside.open -= 1;
        shared.open.set(inside.open as i64);
        drop(inside);
        shared.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    fn gate(most: usize) -> Gate {
        Gate::new("troop_test", most).unwrap()
    }

    fn is_evicted(visit: &mut Visit) -> bool {
        visit.evicted.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[tokio::test]
    async fn the_longest_silent_makes_room_for_the_next() {
        let gate = gate(8);
        let mut silent = Vec::new();
        for _ in 0..4 {
            silent.push(gate.enter("p".into()).await);
        }
        assert!(!silent.iter_mut().any(is_evicted));
        silent[0].connection.spoke();
        let next = gate.enter("p".into()).await;
        assert!(!silent.iter_mut().skip(1).any(is_evicted));
        let _another = gate.enter("p".into()).await;
        assert!(is_evicted(&mut silent[1]));
        assert!(!is_evicted(&mut silent[2]));
        drop(next);
    }

    #[tokio::test(start_paused = true)]
    async fn if_all_have_spoken_the_next_waits_until_one_leaves() {
        let gate = gate(2);
        let first = gate.enter("p".into()).await;
        let second = gate.enter("p".into()).await;
        first.connection.spoke();
        second.connection.spoke();
        let wait = Duration::from_secs(60);
        assert!(timeout(wait, gate.enter("p".into())).await.is_err());
        drop(first);
        let third = timeout(wait, gate.enter("p".into())).await.unwrap();
        assert_eq!((third.connection.id(), gate.shared.open.get()), (3, 2));
    }
}
