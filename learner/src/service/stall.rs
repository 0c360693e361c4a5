use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::transfer::Transfer;

/// A receiver that takes no chunk of a publish for so long has stopped.
const LIMIT: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// One receiver's publish on its way. It is shared with who looks after it, for the stream that sends it is
/// not asked for more while its receiver does not read.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) transfer: Transfer,
    moved: Instant,
}

/// Tells when a receiver has stopped. What it was being sent is let go then.
#[derive(Debug, Default)]
pub(super) struct Stall(Weak<Mutex<Sending>>);

/// [`Sending`], where the stream has it.
#[derive(Clone, Debug)]
pub(super) struct SharedSending(Arc<Mutex<Sending>>);

impl SharedSending {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Sending {
            transfer: Transfer::default(),
            moved: Instant::now(),
        })))
    }

    /// For the next step of the transfer.
    pub(super) fn lock(&self) -> MutexGuard<'_, Sending> {
        let mut sending = lock(&self.0);
        sending.moved = Instant::now();
        sending
    }

    pub(super) fn stall(&self) -> Stall {
        Stall(Arc::downgrade(&self.0))
    }
}

impl Stall {
    /// Completes once the receiver has stopped, with true, or once its stream is gone.
    pub(super) async fn wait(self) -> bool {
        loop {
            sleep(LOOK).await;
            let Some(sending) = self.0.upgrade() else {
                return false;
            };
            let mut sending = lock(&sending);
            if sending.transfer.is_midway() && sending.moved.elapsed() >= LIMIT {
                sending.transfer.give_up();
                return true;
            }
        }
    }

    /// Completes once the receiver has stopped, and never if its stream ends before.
    pub(super) async fn stopped(self) {
        if !self.wait().await {
            std::future::pending::<()>().await;
        }
    }
}

fn lock(sending: &Mutex<Sending>) -> MutexGuard<'_, Sending> {
    sending.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::broadcast::Broadcast;
    use troop_common::proto::v1::Encoding;
    use troop_common::weights::Weights;

    fn begun() -> (SharedSending, Weak<Vec<f32>>) {
        let parameters = Arc::new(vec![0.0; 600_000]);
        let held = Arc::downgrade(&parameters);
        let weights = Weights {
            epoch: 1,
            version: 1,
            env_steps: 0,
            parameters,
            target: None,
            observations: None,
        };
        let sending = SharedSending::new();
        let encoded = Broadcast::new(Encoding::F32).encode(&weights);
        sending.lock().transfer.start(encoded);
        (sending, held)
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_holds_a_publish_for_a_while_only() {
        let (sending, held) = begun();
        sending.lock().transfer.next().unwrap();
        let began = Instant::now();
        assert!(sending.stall().wait().await);
        assert!(began.elapsed() < LIMIT + 2 * LOOK);
        assert_eq!(held.strong_count(), 0);
        assert!(sending.lock().transfer.is_given_up());
    }

    #[tokio::test(start_paused = true)]
    async fn who_reads_slowly_goes_on_and_who_has_all_waits_in_peace() {
        let (sending, _) = begun();
        let stall = sending.stall();
        let stopped = tokio::spawn(stall.wait());
        for _ in 0..2 {
            sleep(LIMIT - LOOK).await;
            assert!(sending.lock().transfer.next().is_some());
        }
        assert!(sending.lock().transfer.next().is_none());
        sleep(10 * LIMIT).await;
        assert!(!stopped.is_finished());
        drop(sending);
        assert!(!stopped.await.unwrap());
    }
}
