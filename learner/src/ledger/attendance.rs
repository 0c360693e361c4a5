//! Who is here: sessions come and go.

use std::sync::MutexGuard;

use tokio::sync::watch;
use troop_common::role::Role;

use super::Ledger;
use super::audience::Member;
use super::journal::Occurrence;
use super::role_counts::RoleCounts;
use super::session::{Session, Sessions};
use crate::answers::{
    JoinError, Joined, OpenError, Refusal, SessionId, SessionView, Verdict, WorkerIntroduction,
};
use crate::lock::lock;

impl Ledger {
    /// Opens a session for a worker.
    pub(crate) fn join(&self, worker: WorkerIntroduction) -> Result<Joined, JoinError> {
        let WorkerIntroduction {
            name,
            peer,
            role,
            life,
        } = worker;
        let member = Member::Worker(role, name.clone(), life);
        if let Some(reason) = self.life.closed_because() {
            self.refused(&member);
            return Err(JoinError::Closed(reason));
        }
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= self.max_sessions {
            return Err(JoinError::Full(self.max_sessions));
        }
        let joined = Occurrence::info("session joined")
            .with("worker", name.as_str())
            .with("peer", peer.as_str())
            .with("role", role.name());
        self.came(member);
        let (session, worker_index) = sessions.join(name, peer, role);
        if let Some(session) = sessions.get_mut(session) {
            session.life = life;
        }
        self.metrics().sessions_joined.inc();
        self.metrics().sessions.set(sessions.len() as i64);
        drop(sessions);
        self.note(joined.with("session", session));
        Ok(Joined {
            session,
            epoch: self.life.epoch(),
            worker_index,
        })
    }

    /// Opens a session's stream; gives what it does.
    ///
    /// # Errors
    /// If it is not live.
    pub(crate) fn open(
        &self,
        session: SessionId,
        sessions: &mut Sessions,
    ) -> Result<Role, OpenError> {
        let role = sessions
            .set_open(session)
            .map_err(OpenError::UnknownSession)?;
        self.show_presence(sessions);
        Ok(role)
    }

    /// What a session does; as one that is gone, both.
    pub(crate) fn role(&self, session: SessionId) -> Role {
        let mut sessions = lock(&self.sessions);
        let found = sessions.get_mut(session);
        found.map(|session| session.role).unwrap_or_default()
    }

    /// Open sessions by what they do.
    pub(crate) fn present(&self) -> watch::Receiver<RoleCounts> {
        self.present.subscribe()
    }

    fn show_presence(&self, sessions: &Sessions) {
        let open = sessions.open();
        self.present.send_replace(open);
        for role in Role::ALL {
            let count = open.of(role) as i64;
            let gauge = &self.metrics().role_sessions;
            gauge.with_label_values(&[role.name()]).set(count);
        }
    }

    /// Ends a session. `and` happens with it: nobody can open a session between.
    pub(crate) fn leave(&self, session: SessionId, and: impl FnOnce()) {
        let mut sessions = lock(&self.sessions);
        let left = sessions.leave(session);
        let metrics = self.metrics();
        metrics.sessions_left.inc_by(u64::from(left.is_some()));
        metrics.sessions.set(sessions.len() as i64);
        self.show_presence(&sessions);
        let open = sessions.open();
        and();
        drop(sessions);
        if let Some(left) = left {
            self.gone(&left.member(), left.heard);
            let was_last = left.open && open.of(left.role) == 0;
            let role = left.role;
            self.note(farewell(session, left));
            if was_last {
                self.tell_last_of(role, open);
            }
        }
    }

    /// Nobody is left who does what `role` says: if others need them, people are told.
    fn tell_last_of(&self, role: Role, open: RoleCounts) {
        let Some(other) = role.other_half().filter(|_| self.life.is_running()) else {
            return;
        };
        let (role, waiting) = (role.name(), open.of(other));
        let message = "no worker is left of a role; those of the other wait";
        tracing::warn!(role, waiting, "{message}");
        let last = Occurrence::warning(message).with("role", role);
        self.note(last.with("waiting", waiting));
    }

    /// The live sessions, for what has to happen together with a change to them.
    pub(crate) fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }

    /// What others are shown of the live sessions.
    pub(crate) fn session_views(&self) -> Vec<SessionView> {
        let now = self.now();
        lock(&self.sessions)
            .iter()
            .map(|(id, session)| session.view(id, now))
            .collect()
    }

    /// Checks who sent a gradient and for which life. A sequence number passes once: this is under
    /// one lock.
    pub(crate) fn admit(
        &self,
        session: SessionId,
        epoch: u64,
        sequence: u64,
    ) -> Result<(), Refusal> {
        let mut sessions = lock(&self.sessions);
        let known = sessions.get_mut(session).ok_or_else(|| {
            let detail = format!("session {session} is not known in this epoch");
            Refusal::new(Verdict::WrongEpoch, detail)
        })?;
        self.admission
            .check_origin(epoch, sequence, known.last_sequence)?;
        known.last_sequence = sequence;
        Ok(())
    }
}

/// What is noted of a session once it has left.
fn farewell(id: SessionId, session: Session) -> Occurrence {
    Occurrence::info("session left")
        .with("session", id)
        .with("worker", session.worker)
        .with("peer", session.peer)
        .with("env_steps", session.env_steps)
        .with("gradients_applied", session.gradients_applied)
        .with("gradients_rejected", session.gradients_rejected)
}
