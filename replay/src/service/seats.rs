use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// How many streams there may be. One that has asked for nothing yet is silent; if there are too many, the one that has
/// been silent for longest makes room for the next.
#[derive(Clone, Debug)]
pub(super) struct Seats {
    most: usize,
    inside: Arc<Mutex<Inside>>,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    open: usize,
    /// By age. What is dropped here tells its stream to end.
    silent: BTreeMap<u64, oneshot::Sender<()>>,
}

/// One stream's, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    id: u64,
    /// Completes, with an error, once somebody else needs it and nothing was asked for.
    needed: oneshot::Receiver<()>,
    silent: bool,
}

impl Seats {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            inside: Arc::default(),
        }
    }

    /// How many are taken.
    pub(super) fn open(&self) -> usize {
        self.lock().open
    }

    /// One, if there is one or somebody silent has it; that one goes as soon as its task runs.
    pub(super) fn take(&self) -> Option<Seat> {
        let mut inside = self.lock();
        if inside.open >= self.most {
            inside.silent.pop_first()?;
        }
        inside.open += 1;
        let id = inside.next;
        inside.next += 1;
        let (end, needed) = oneshot::channel();
        inside.silent.insert(id, end);
        Some(Seat {
            seats: self.clone(),
            id,
            needed,
            silent: true,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Something was asked for: nobody else gets it any more, unless somebody has just done so.
    pub(super) fn spoke(&mut self) {
        if self.silent && self.seats.lock().silent.remove(&self.id).is_some() {
            self.silent = false;
        }
    }

    /// Completes once somebody else has got it.
    pub(super) async fn needed(&mut self) {
        match self.silent {
            // What is dropped tells it.
            true => drop((&mut self.needed).await),
            false => std::future::pending().await,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.seats.lock();
        inside.open -= 1;
        inside.silent.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_silent_make_room_and_nobody_else() {
        let seats = Seats::new(2);
        let mut busy = seats.take().unwrap();
        let mut silent = seats.take().unwrap();
        busy.spoke();
        let mut third = seats.take().unwrap();
        silent.needed().await;
        drop(silent);
        assert_eq!(seats.open(), 2);
        third.spoke();
        assert!(seats.take().is_none());
        tokio::select! {
            biased;
            () = busy.needed() => panic!("it has spoken"),
            () = std::future::ready(()) => {}
        }
    }
}
