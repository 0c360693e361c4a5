use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::waiting::LIMIT;

/// What a process has written so far, read by threads so that it never waits for its reader.
#[derive(Default)]
pub(crate) struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Default)]
pub(crate) struct State {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Streams whose end has been read.
    ended: usize,
}

type Stream = fn(&mut State) -> &mut String;

impl Output {
    /// Reads both streams to their ends.
    pub(crate) fn read(
        stdout: impl Read + Send + 'static,
        stderr: impl Read + Send + 'static,
    ) -> Arc<Self> {
        let output = Arc::<Self>::default();
        output.spawn(stdout, |state| &mut state.stdout);
        output.spawn(stderr, |state| &mut state.stderr);
        output
    }

    fn spawn(self: &Arc<Self>, stream: impl Read + Send + 'static, of: Stream) {
        let output = Arc::clone(self);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                of(&mut output.lock()).push_str(&String::from_utf8_lossy(&line));
                output.changed.notify_all();
                line.clear();
            }
            output.lock().ended += 1;
            output.changed.notify_all();
        });
    }

    /// Waits for what `look` finds; none where the streams end, or [`LIMIT`] passes, without it.
    pub(crate) fn wait_for<T>(&self, look: impl Fn(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + LIMIT;
        let mut state = self.lock();
        loop {
            let found = look(&state);
            let left = deadline.saturating_duration_since(Instant::now());
            if found.is_some() || state.ended == 2 || left.is_zero() {
                return found;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Everything, once both streams have ended.
    pub(crate) fn whole(&self) -> State {
        self.wait_for(|_| None::<()>);
        self.so_far()
    }

    /// Everything until now.
    pub(crate) fn so_far(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whole lines of both streams.
    pub(crate) fn lines(&self) -> impl Iterator<Item = &str> {
        let whole = |line: &&str| line.ends_with('\n');
        let stdout = self.stdout.split_inclusive('\n').filter(whole);
        let stderr = self.stderr.split_inclusive('\n').filter(whole);
        stdout.chain(stderr).map(|line| line.trim_end())
    }
}
