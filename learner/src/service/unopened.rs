use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::parameter_server::ParameterServer;
use crate::session::SessionId;

/// Sessions that have joined but whose stream is not open yet. One that never opens leaves after a
/// while, so that it holds no place.
#[derive(Clone)]
pub(super) struct Unopened {
    server: Arc<ParameterServer>,
    limit: Duration,
    waiting: Arc<Mutex<HashSet<SessionId>>>,
}

/// The right to open one session's stream.
#[derive(Debug)]
pub(super) struct Ticket(pub(super) SessionId);

impl Unopened {
    pub(super) fn new(server: Arc<ParameterServer>, limit: Duration) -> Self {
        Self {
            server,
            limit,
            waiting: Arc::default(),
        }
    }

    /// Expects a session to open.
    pub(super) fn expect(&self, session: SessionId) {
        self.waiting().insert(session);
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(this.limit).await;
            this.give_up(session);
        });
    }

    /// Lets a session open; none where it never joined, has left, or has opened before.
    pub(super) fn claim(&self, session: SessionId) -> Option<Ticket> {
        self.waiting().remove(&session).then_some(Ticket(session))
    }

    fn give_up(&self, session: SessionId) {
        if self.claim(session).is_some() {
            self.server.leave(session);
            let seconds = self.limit.as_secs();
            tracing::info!(
                session,
                seconds,
                "session joined but never opened; it is dropped"
            );
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<SessionId>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use troop_common::experiment::Experiment;

    #[tokio::test(start_paused = true)]
    async fn a_session_opens_once_and_in_time_or_leaves() {
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(Experiment::default(), metrics));
        let limit = Duration::from_secs(120);
        let unopened = Unopened::new(Arc::clone(&server), limit);
        let join = || server.join("w".into(), "p".into()).unwrap().session;
        let (opens, idles) = (join(), join());
        unopened.expect(opens);
        unopened.expect(idles);
        assert!(unopened.claim(opens).is_some());
        assert!(unopened.claim(opens).is_none());
        assert!(unopened.claim(77).is_none());

        tokio::time::sleep(limit * 2).await;
        assert!(unopened.claim(idles).is_none());
        let live: Vec<u64> = server
            .sessions()
            .iter()
            .map(|session| session.session)
            .collect();
        assert_eq!(live, [opens]);
    }
}
