use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Why a replay or a shard belongs to its run no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The run is over.
    Finished(String),
    /// Another life of the run is there, or another run: what a shard holds belongs to the one before.
    Replaced(String),
    /// The learner stayed away for too long, or refuses this replay.
    Failed(String),
}

/// Holds a replay's place in its run until it is dropped.
#[derive(Debug)]
pub struct Attachment {
    pub(super) ended: watch::Receiver<Option<Ended>>,
    pub(super) task: JoinHandle<()>,
}

impl Attachment {
    /// Completes when the replay belongs to the run no more.
    pub async fn ended(&mut self) -> Ended {
        let ended = self.ended.wait_for(Option::is_some).await;
        let ended = ended.ok().and_then(|ended| ended.clone());
        // The task ends with the runtime alone.
        ended.unwrap_or_else(|| Ended::Failed("the task that holds its place was ended".into()))
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.task.abort();
    }
}
