//! Processes that are killed, and started again by a supervisor that knows nothing of their run.

use serde_json::Value;
use troop_learner::checkpoints::Checkpoints;
use troop_tests::{Process, Scratch, Signal};

/// How far a run had come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    pub(crate) epoch: u64,
    pub(crate) version: u64,
}

/// That of the newest checkpoint that is whole.
pub(crate) fn newest(scratch: &Scratch) -> Reached {
    let newest = Checkpoints::new(scratch.path().join("run/checkpoints")).newest();
    let newest = newest.expect("some are whole");
    newest.map_or(Reached::default(), |(_, newest)| Reached {
        epoch: newest.state.epoch,
        version: newest.state.version,
    })
}

/// A process that is started again whenever it fails.
pub(crate) struct Supervised<'a> {
    scratch: &'a Scratch,
    line: String,
    pub(crate) process: Process,
}

impl<'a> Supervised<'a> {
    pub(crate) fn start(scratch: &'a Scratch, line: String) -> Self {
        let process = scratch.start(&line);
        Self {
            scratch,
            line,
            process,
        }
    }

    /// Starts it again if it has ended.
    pub(crate) fn look_after(&mut self) {
        if !self.process.is_running() {
            self.process = self.scratch.start(&self.line);
        }
    }

    pub(crate) fn kill(&mut self) {
        self.process.signal(Signal::KILL);
    }
}

/// Whether an event tells that the task is solved.
pub(crate) fn is_solved(event: &Value) -> bool {
    event["message"] == "task solved"
}
