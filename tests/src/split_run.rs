//! A run over the network whose workers act or train.

use crate::learner::Learner;
use crate::process::Process;
use crate::scratch::Scratch;

/// A learner and the replay of its run, for workers that act or train.
pub struct SplitRun {
    /// Where all of them run; the run's files are in `run`.
    pub scratch: Scratch,
    /// The learner.
    pub learner: Learner,
    /// The replay.
    pub replay: Process,
}

impl SplitRun {
    /// Starts both, the learner with further arguments.
    ///
    /// # Panics
    /// Where one of them ends instead.
    pub fn start(arguments: &str) -> Self {
        let scratch = Scratch::new();
        let learner = Learner::start(&scratch, &format!("--run-dir run {arguments}"));
        let replay = replay(&scratch, &learner.url);
        Self {
            scratch,
            learner,
            replay,
        }
    }

    /// An actor with one worker of a role.
    pub fn worker(&self, role: &str) -> Process {
        worker(&self.scratch, &self.learner.url, role)
    }
}

/// A replay of the run of the learner at `url`, once it has attached.
///
/// # Panics
/// Where it ends instead.
pub fn replay(scratch: &Scratch, url: &str) -> Process {
    let replay = scratch.start(&format!("troop-replay --learner {url}"));
    replay.wait_for("replay ready");
    replay
}

/// An actor with one worker of a role.
pub fn worker(scratch: &Scratch, url: &str, role: &str) -> Process {
    scratch.start(&format!(
        "troop-actor --learner {url} --workers 1 --role {role}"
    ))
}
