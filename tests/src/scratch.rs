use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::binaries::executable;
use crate::process::{Finished, Process};
use crate::run_files::RunFiles;

/// A test's own directory, in which its processes run.
pub struct Scratch {
    directory: TempDir,
}

impl Scratch {
    /// An empty one; it is removed when it is dropped.
    ///
    /// # Panics
    /// Where it cannot be made.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { directory }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Puts a file there.
    ///
    /// # Panics
    /// Where it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path().join(name), text).expect("the scratch directory can be written");
    }

    /// The files of the run that is kept in `name`.
    pub fn run_files(&self, name: &str) -> RunFiles {
        RunFiles::new(self.path().join(name))
    }

    /// A command line in words without spaces; the first is a binary's name. It runs in this
    /// directory, with free ports unless it names others.
    pub fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap_or_default();
        let mut command = Command::new(executable(program));
        command.args(words).current_dir(self.path());
        let own = std::env::vars_os().map(|(name, _)| name);
        for name in own.filter(|name| name.to_string_lossy().starts_with("TROOP_")) {
            command.env_remove(name);
        }
        command
            .env("TROOP__LEARNER__LISTEN", "127.0.0.1:0")
            .env("TROOP__LEARNER__HTTP", "127.0.0.1:0");
        command
    }

    /// Starts a command line, see [`Self::command`].
    pub fn start(&self, line: &str) -> Process {
        Process::start(&mut self.command(line))
    }

    /// Runs a command line to its end, see [`Self::command`].
    pub fn run(&self, line: &str) -> Finished {
        self.start(line).wait()
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}
