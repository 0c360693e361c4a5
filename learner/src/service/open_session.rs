use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use troop_common::role::Role;

use super::loneliness::loneliness;
use super::unopened::Ticket;
use crate::answers::SessionId;
use crate::parameter_server::ParameterServer;

/// A session whose stream is open. It leaves the learner when this is dropped, whatever the cause.
pub(super) struct OpenSession {
    server: Arc<ParameterServer>,
    id: SessionId,
    open: watch::Sender<usize>,
}

impl OpenSession {
    /// Counts it among those in `open`.
    #[expect(clippy::needless_pass_by_value, reason = "a ticket is used up")]
    pub(super) fn new(
        server: Arc<ParameterServer>,
        ticket: Ticket,
        open: &watch::Sender<usize>,
    ) -> Self {
        open.send_modify(|count| *count += 1);
        Self {
            server,
            id: ticket.0,
            open: open.clone(),
        }
    }

    pub(super) fn id(&self) -> SessionId {
        self.id
    }

    /// What its worker does.
    pub(super) fn role(&self) -> Role {
        self.server.ledger().role(self.id)
    }

    /// Its worker has said goodbye, or was told that it cannot go on: nobody misses it.
    pub(super) fn hear(&self) {
        self.server.ledger().heard(self.id);
    }

    /// Completes once its worker waits for others who have not been there for long; gives what it is told.
    pub(super) fn loneliness(&self) -> impl Future<Output = String> + use<> {
        let ledger = self.server.ledger();
        let give_up_after_s = self.server.experiment().actor.give_up_after_s;
        let limit = Duration::from_secs(give_up_after_s);
        loneliness(self.role(), ledger.present(), limit)
    }

    pub(super) fn server(&self) -> &ParameterServer {
        &self.server
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        self.server.leave(self.id);
        self.open.send_modify(|count| *count -= 1);
    }
}
