use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use troop_common::process::Signals;

/// Time between two looks.
const TICK: Duration = Duration::from_millis(20);

/// Makes a signal that asks the process to end an error of the next wait, so that whatever was started is ended.
pub(super) struct Interruption(Arc<AtomicBool>);

impl Interruption {
    /// Catches the signals from now on.
    ///
    /// # Errors
    /// If they cannot be caught.
    pub(super) fn catch() -> anyhow::Result<Self> {
        let caught = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the thread that catches signals")?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::catch()?
        };
        let raised = Arc::clone(&caught);
        thread::spawn(move || {
            runtime.block_on(signals.next());
            raised.store(true, Ordering::Relaxed);
        });
        Ok(Self(caught))
    }

    /// Waits.
    ///
    /// # Errors
    /// If a signal has come.
    pub(super) fn sleep(&self, duration: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + duration;
        loop {
            anyhow::ensure!(!self.0.load(Ordering::Relaxed), "interrupted");
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(TICK));
        }
    }
}
