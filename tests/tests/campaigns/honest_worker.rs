use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use troop_common::proto::v1::Verdict;

use crate::peer::{ELEMENTS, Peer, Session, gradient};
use crate::site::{SOON, within};

/// Env steps that each of its gradients reports.
const STEPS: u64 = 8;

/// Gradients that show that training goes on.
const ENOUGH: u64 = 20;

/// A worker that does what the contract says, without a network and without a hurry, and comes back
/// when its session is lost.
pub(crate) struct HonestWorker {
    applied: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl HonestWorker {
    pub(crate) fn start(url: &str) -> Self {
        let (applied, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (url, count, end) = (url.to_owned(), Arc::clone(&applied), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            let runtime = crate::peer::runtime();
            runtime.block_on(async {
                while !end.load(Ordering::Relaxed) {
                    // What ends a session is the campaign's doing; what counts is that it goes on.
                    let _ = work(&url, &count, &end).await;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            });
        });
        Self {
            applied,
            ended,
            thread: Some(thread),
        }
    }

    /// Env steps of the gradients that were applied.
    pub(crate) fn steps(&self) -> u64 {
        STEPS * self.applied()
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Some more of its gradients are applied soon.
    pub(crate) fn must_train(&self, when: &str) {
        self.must_train_within(SOON, when);
    }

    /// Some more of them are applied in this time.
    pub(crate) fn must_train_within(&self, limit: Duration, when: &str) {
        let enough = self.applied() + ENOUGH;
        let what = format!("{when}: {ENOUGH} gradients of an honest worker applied");
        within(limit, &what, || (self.applied() >= enough).then_some(()));
    }
}

impl Drop for HonestWorker {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say that a test would want to hear.
            let _ = thread.join();
        }
    }
}

async fn work(url: &str, applied: &AtomicU64, ended: &AtomicBool) -> Result<(), tonic::Status> {
    let mut peer = Peer::connect(url).await?;
    let mut session = Session::open(&mut peer).await?;
    let mut sequence = 0;
    while !ended.load(Ordering::Relaxed) {
        sequence += 1;
        let mut chunk = gradient(sequence, &[1e-3; ELEMENTS]);
        chunk.epoch = session.epoch;
        chunk.version = session.version;
        session.send(chunk).await?;
        if session.answer().await?.verdict() == Verdict::Applied {
            applied.fetch_add(1, Ordering::Relaxed);
        }
        // A worker has environments to step.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
