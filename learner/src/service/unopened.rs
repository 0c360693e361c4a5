use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::answers::SessionId;
use crate::parameter_server::ParameterServer;

/// Sessions that have joined but whose stream is not open yet. One that never opens leaves after a while, or
/// when its place is needed, so that it holds none.
#[derive(Clone)]
pub(super) struct Unopened {
    server: Arc<ParameterServer>,
    limit: Duration,
    /// The connections that joined, by session; older sessions first.
    waiting: Arc<Mutex<BTreeMap<SessionId, u64>>>,
    /// Drawn from the system's randomness; makes a secret of each session's number.
    secrets: Arc<RandomState>,
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
            secrets: Arc::new(RandomState::new()),
        }
    }

    /// Expects a session to open that `connection` has joined; gives the secret that opens it.
    pub(super) fn expect(&self, session: SessionId, connection: u64) -> u64 {
        self.waiting().insert(session, connection);
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(this.limit).await;
            this.give_up(session);
        });
        self.secret(session)
    }

    /// Lets a session open; none if it never joined, has left, or has opened before, or if the secret is not
    /// its own.
    pub(super) fn claim(&self, session: SessionId, secret: u64) -> Option<Ticket> {
        (secret == self.secret(session)).then_some(())?;
        self.remove(session).then_some(Ticket(session))
    }

    /// Makes room for another session, if one is waiting to be opened: the oldest of the connection that has
    /// the most of them.
    pub(super) fn make_room(&self) -> bool {
        let Some(session) = oldest_of_the_most(&self.waiting()) else {
            return false;
        };
        let had_it = self.remove(session);
        if had_it {
            self.server.leave(session);
            tracing::warn!(
                session,
                "session has not opened yet; it is dropped, for the learner is full and others want to join"
            );
        }
        had_it
    }

    fn give_up(&self, session: SessionId) {
        if self.remove(session) {
            self.server.leave(session);
            let seconds = self.limit.as_secs();
            tracing::info!(
                session,
                seconds,
                "session joined but never opened; it is dropped"
            );
        }
    }

    fn secret(&self, session: SessionId) -> u64 {
        self.secrets.hash_one(session)
    }

    fn remove(&self, session: SessionId) -> bool {
        self.waiting().remove(&session).is_some()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<SessionId, u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn oldest_of_the_most(waiting: &BTreeMap<SessionId, u64>) -> Option<SessionId> {
    let mut counts: BTreeMap<u64, usize> = BTreeMap::new();
    for connection in waiting.values() {
        *counts.entry(*connection).or_default() += 1;
    }
    let (most, _) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    let mut oldest = waiting
        .iter()
        .filter(|(_, connection)| **connection == most);
    oldest.next().map(|(session, _)| *session)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use troop_common::experiment::Experiment;

    const LIMIT: Duration = Duration::from_secs(120);

    fn unopened() -> Unopened {
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(Experiment::default(), metrics));
        Unopened::new(server, LIMIT)
    }

    impl Unopened {
        fn join(&self, connection: u64) -> (SessionId, u64) {
            let joined = self.server.join("w".into(), "p".into()).unwrap();
            (joined.session, self.expect(joined.session, connection))
        }

        fn live(&self) -> Vec<u64> {
            let sessions = self.server.sessions();
            sessions.iter().map(|session| session.session).collect()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_opens_once_and_in_time_or_leaves() {
        let unopened = unopened();
        let ((opens, secret), (idles, idle_secret)) = (unopened.join(1), unopened.join(1));
        assert!(unopened.claim(opens, secret ^ 1).is_none());
        assert!(unopened.claim(opens, idle_secret).is_none());
        assert!(unopened.claim(opens, secret).is_some());
        assert!(unopened.claim(opens, secret).is_none());
        assert!(unopened.claim(77, secret).is_none());

        tokio::time::sleep(LIMIT * 2).await;
        assert!(unopened.claim(idles, idle_secret).is_none());
        assert_eq!(unopened.live(), [opens]);
    }

    #[tokio::test]
    async fn room_is_made_by_those_who_hold_the_most_and_never_by_an_open_one() {
        let unopened = unopened();
        let (opened, secret) = unopened.join(7);
        unopened.claim(opened, secret).unwrap();
        let (honest, _) = unopened.join(1);
        let hoard: Vec<SessionId> = (0..3).map(|_| unopened.join(2).0).collect();
        assert!(unopened.make_room());
        assert!(unopened.make_room());
        assert_eq!(unopened.live(), [opened, honest, hoard[2]]);
        while unopened.make_room() {}
        assert_eq!(unopened.live(), [opened]);
    }

    #[test]
    fn another_life_has_other_secrets() {
        let (one, other) = (RandomState::new(), RandomState::new());
        assert_ne!(one.hash_one(1_u64), other.hash_one(1_u64));
    }
}
