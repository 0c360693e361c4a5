use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

use super::mailbox::Mailbox;
use crate::link::closed::LinkClosed;

/// What a worker's link to the learner tells while the worker waits for something else.
#[derive(Clone)]
pub struct LearnerNews {
    mailbox: Arc<Mailbox>,
    replays: watch::Receiver<Vec<String>>,
}

impl LearnerNews {
    pub(super) fn of(mailbox: &Arc<Mailbox>) -> Self {
        Self {
            replays: mailbox.replays(),
            mailbox: Arc::clone(mailbox),
        }
    }

    /// Where the replays are, by index, for all that the learner has told; empty if the worker needs none.
    pub fn replays(&self) -> Vec<String> {
        self.replays.borrow().clone()
    }

    /// Completes once the learner has told that the replay of an index is elsewhere than at `url`.
    pub(crate) async fn moved(&self, index: usize, url: &str) {
        let mut replays = self.replays.clone();
        let is_elsewhere = |urls: &Vec<String>| urls.get(index).is_some_and(|now| now != url);
        if replays.wait_for(is_elsewhere).await.is_err() {
            // The link is gone: nobody tells any more.
            std::future::pending::<()>().await;
        }
    }

    /// Completes when the link has nothing more to give, with the reason. The worker waits for nothing else of the link
    /// meanwhile.
    pub async fn ended(&self) -> LinkClosed {
        self.mailbox.wait_closed().await
    }
}

impl fmt::Debug for LearnerNews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replays = self.replays();
        f.debug_struct("LearnerNews")
            .field("replays", &replays)
            .finish()
    }
}
