use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use super::mailbox::Mailbox;

/// Ends all links of a process from another thread. A worker that is computing a gradient sends it
/// first.
#[derive(Clone, Default)]
pub struct Interrupt {
    state: Arc<Mutex<State>>,
    raised: Arc<watch::Sender<Option<String>>>,
}

#[derive(Default)]
struct State {
    mailboxes: Vec<Weak<Mailbox>>,
}

impl Interrupt {
    /// Tells every worker, also those that join later, that the run is over for them.
    pub fn raise(&self, reason: &str) {
        let mut state = self.lock();
        self.raised.send_replace(Some(reason.to_owned()));
        for mailbox in state.mailboxes.drain(..) {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.stop(reason);
            }
        }
    }

    /// Completes once it was raised, with the reason.
    pub async fn raised(&self) -> String {
        let mut raised = self.raised.subscribe();
        let reason = raised.wait_for(Option::is_some).await;
        // The sender lives as long as this.
        reason.ok().and_then(|it| it.clone()).unwrap_or_default()
    }

    pub(super) fn watch(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        match &*self.raised.borrow() {
            Some(reason) => mailbox.stop(reason),
            None => {
                state.mailboxes.retain(|mailbox| mailbox.strong_count() > 0);
                state.mailboxes.push(Arc::downgrade(mailbox));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let reason = &*self.raised.borrow();
        f.debug_struct("Interrupt").field("reason", reason).finish()
    }
}
