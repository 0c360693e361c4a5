use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use troop_learner::checkpoint::Checkpoint;
use troop_learner::{CutFailed, ParameterServer};

type Cut = Result<Option<Checkpoint>, CutFailed>;

/// The last checkpoint is tried so often.
const LAST_TRIES: u32 = 5;

/// Between two of these.
const PAUSE: Duration = Duration::from_secs(1);

/// How a life of the run ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The run is over.
    Finish(String),
    /// It may go on in another life.
    Drain(String),
}

/// Has the checkpoints of a run of several shards made, one at a time, and the last one before the shards are let go.
pub(crate) struct Cuts {
    server: Arc<ParameterServer>,
    making: Option<JoinHandle<Cut>>,
    closing: Option<Closing>,
    last_tries: u32,
}

impl Cuts {
    pub(crate) fn new(server: Arc<ParameterServer>) -> Self {
        Self {
            server,
            making: None,
            closing: None,
            last_tries: 0,
        }
    }

    /// Whether this life of the run is about to end.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// Begins one, if none is being made.
    pub(crate) fn begin(&mut self) {
        if self.making.is_none() {
            self.begin_after(Duration::ZERO);
        }
    }

    fn begin_after(&mut self, pause: Duration) {
        let server = Arc::clone(&self.server);
        self.making = Some(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            server.cut().await
        }));
    }

    /// Completes when one has been made, or cannot be; never if none was begun.
    pub(crate) async fn made(&mut self) -> Cut {
        let Some(making) = &mut self.making else {
            return std::future::pending().await;
        };
        let made = making.await;
        self.making = None;
        // It is never aborted.
        made.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
    }

    /// Ends this life of the run, once there is a last checkpoint of all shards, if there are several.
    pub(crate) fn close(&mut self, closing: Closing) {
        self.closing = Some(closing);
        match self.server.shards() {
            1 => self.close_now(),
            _ if self.making.is_none() => self.begin_last(Duration::ZERO),
            // What is being made may lack the last gradients.
            _ => {}
        }
    }

    /// One was made, or not: what comes then.
    pub(crate) fn go_on(&mut self, was_made: bool) {
        let is_lost = self.server.lost_shard().is_some();
        match (&self.closing, self.last_tries) {
            (None, _) => {}
            (Some(_), 0) => self.begin_last(Duration::ZERO),
            (Some(_), tries) if was_made || is_lost || tries == LAST_TRIES => self.close_now(),
            (Some(_), _) => self.begin_last(PAUSE),
        }
    }

    fn begin_last(&mut self, pause: Duration) {
        self.last_tries += 1;
        self.begin_after(pause);
    }

    fn close_now(&self) {
        match self.closing.clone() {
            Some(Closing::Finish(reason)) => self.server.finish(reason),
            Some(Closing::Drain(reason)) => self.server.drain(reason),
            None => {}
        }
    }
}
