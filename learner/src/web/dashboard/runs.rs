use std::io;

use super::update::{RunUpdate, RunView};

/// There is no run of that name.
#[derive(Debug, thiserror::Error)]
#[error("there is no run `{0}` here; /api/runs lists those there are")]
pub struct NoSuchRun(pub String);

/// The runs that a page can show.
pub trait Runs: Clone + Send + Sync + 'static {
    /// One of them, as one viewer sees it.
    type Run: Run;

    /// All of them, newest first. It may block.
    ///
    /// # Errors
    /// If they cannot be read.
    fn list(&self) -> io::Result<Vec<RunView>>;

    /// A look at the run of this name.
    ///
    /// # Errors
    /// If there is none.
    fn open(&self, name: &str) -> Result<Self::Run, NoSuchRun>;
}

/// A run that somebody looks at.
pub trait Run: Send + 'static {
    /// What is new since the last call; the first has everything. It may block.
    ///
    /// # Errors
    /// If the run's files cannot be read.
    fn refresh(&mut self) -> io::Result<RunUpdate>;

    /// Its resolved experiment as TOML, without `[security]`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn configuration(&self) -> io::Result<String>;
}
