use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::mailbox::Mailbox;

/// Ends all links of a process from another thread. A worker that is computing a gradient sends it
/// first.
#[derive(Clone, Default)]
pub struct Interrupt {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    reason: Option<String>,
    mailboxes: Vec<Weak<Mailbox>>,
}

impl Interrupt {
    /// Tells every worker, also those that join later, that the run is over for them.
    pub fn raise(&self, reason: &str) {
        let mut state = self.lock();
        state.reason = Some(reason.to_owned());
        for mailbox in state.mailboxes.drain(..) {
            if let Some(mailbox) = mailbox.upgrade() {
                mailbox.stop(reason);
            }
        }
    }

    pub(super) fn watch(&self, mailbox: &Arc<Mailbox>) {
        let mut state = self.lock();
        match &state.reason {
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
        let reason = &self.lock().reason;
        f.debug_struct("Interrupt").field("reason", reason).finish()
    }
}
