use std::io::{BufRead, Write};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Context;
use troop_common::causes::with_causes;
use troop_common::process::complain;

use super::tally::Tally;

/// Threads that only move bytes need little; there may be hundreds of them.
const STACK_BYTES: usize = 256 << 10;

/// What a helper says once it can begin.
pub(super) const READY: &str = "ready";
/// Asks a helper to begin.
pub(super) const GO: &str = "go";
/// Asks a helper for a line with its tally.
pub(super) const COUNT: &str = "count";

/// The helper's side of a measurement. Its threads get ready, start together, and count until the
/// helper's standard input is closed.
#[derive(Default)]
pub(super) struct Stage {
    state: Mutex<State>,
    /// Wakes the thread that waits for the parts.
    all_ready: Condvar,
    /// Wakes the parts.
    begun: Condvar,
    ended: AtomicBool,
    /// Whole messages sent.
    pub(super) sent: AtomicU64,
    /// Whole messages received.
    pub(super) received: AtomicU64,
    /// Bytes of tensors received.
    pub(super) received_bytes: AtomicU64,
}

#[derive(Default)]
struct State {
    ready: usize,
    started: bool,
}

impl Stage {
    /// Runs each part in a thread of its own and obeys standard input meanwhile. The first line of
    /// output says that all are ready; the last one is the final tally. A part that
    /// fails ends the process: whoever started it sees that.
    ///
    /// # Errors
    /// If a thread cannot start, or standard input or output fails.
    pub(super) fn run<P>(&self, parts: Vec<P>) -> anyhow::Result<()>
    where
        P: FnOnce(&Self) -> anyhow::Result<()> + Send,
    {
        let count = parts.len();
        thread::scope(|scope| {
            for part in parts {
                let thread = thread::Builder::new().stack_size(STACK_BYTES);
                let started = thread.spawn_scoped(scope, || self.play(part));
                started.context("cannot start a thread")?;
            }
            self.wait_until(&self.all_ready, |state| state.ready == count);
            say(READY)?;
            self.obey()
        })?;
        say(&serde_json::to_string(&self.tally())?)
    }

    fn play<P: FnOnce(&Self) -> anyhow::Result<()>>(&self, part: P) {
        if let Err(error) = part(self) {
            complain(format_args!("error: {}", with_causes(error.as_ref())));
            process::exit(1);
        }
    }

    /// Reads commands until there are no more.
    fn obey(&self) -> anyhow::Result<()> {
        for line in std::io::stdin().lock().lines() {
            match line?.as_str() {
                GO => self.start(),
                COUNT => say(&serde_json::to_string(&self.tally())?)?,
                other => anyhow::bail!("unknown command `{other}`; expected `{GO}` or `{COUNT}`"),
            }
        }
        self.ended.store(true, Ordering::Relaxed);
        self.start();
        Ok(())
    }

    fn start(&self) {
        self.lock().started = true;
        self.begun.notify_all();
    }

    /// Says that the calling part is ready, and waits for the start.
    pub(super) fn ready(&self) {
        self.lock().ready += 1;
        self.all_ready.notify_one();
        self.wait_until(&self.begun, |state| state.started);
    }

    /// Whether the measurement is over.
    pub(super) fn ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    fn tally(&self) -> Tally {
        Tally {
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }

    fn wait_until(&self, changed: &Condvar, done: impl Fn(&State) -> bool) {
        let mut state = self.lock();
        while !done(&state) {
            let waited = changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes a line at once: the reader waits for it.
pub(super) fn say(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()?;
    Ok(())
}
