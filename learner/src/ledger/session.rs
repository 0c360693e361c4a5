//! Who is connected, and what each has sent.

use std::collections::BTreeMap;
use std::time::Duration;

use troop_common::role::Role;

use super::audience::Member;
use super::role_counts::RoleCounts;
use crate::answers::{SessionId, SessionView};

/// One worker's connection to the learner.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Session {
    pub(crate) worker: String,
    pub(crate) peer: String,
    pub(crate) role: Role,
    /// Drawn when its worker started.
    pub(crate) life: u64,
    pub(crate) worker_index: u32,
    pub(crate) open: bool,
    pub(crate) last_sequence: u64,
    pub(crate) env_steps: u64,
    pub(crate) gradients_applied: u64,
    pub(crate) gradients_rejected: u64,
    /// Its last gradients that were not finite, since one was applied.
    pub(crate) non_finite_in_a_row: u32,
    pub(crate) staleness_updates: u64,
    pub(crate) last_gradient_at: Option<Duration>,
    /// Its worker has said goodbye, or knows that it cannot go on.
    pub(crate) heard: bool,
}

impl Session {
    /// Whom the end of the run concerns.
    pub(crate) fn member(&self) -> Member {
        Member::Worker(self.role, self.worker.clone(), self.life)
    }

    /// What others are shown of it.
    pub(crate) fn view(&self, id: SessionId, now: Duration) -> SessionView {
        let silent = |at| now.saturating_sub(at).as_secs_f64();
        SessionView {
            session: id,
            worker: self.worker.clone(),
            peer: self.peer.clone(),
            role: self.role,
            worker_index: self.worker_index,
            env_steps: self.env_steps,
            gradients_applied: self.gradients_applied,
            gradients_rejected: self.gradients_rejected,
            staleness_updates: self.staleness_updates,
            seconds_since_last_gradient: self.last_gradient_at.map_or(0.0, silent),
        }
    }
}

/// The live sessions of one epoch.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    last_id: SessionId,
    open: RoleCounts,
    live: BTreeMap<SessionId, Session>,
}

impl Sessions {
    /// Opens a session with the smallest worker index that none of its role holds.
    pub(crate) fn join(&mut self, worker: String, peer: String, role: Role) -> (SessionId, u32) {
        let of_role = self.live.values().filter(|session| session.role == role);
        let taken: std::collections::BTreeSet<u32> = of_role.map(|s| s.worker_index).collect();
        let worker_index = (0..)
            .find(|index| !taken.contains(index))
            .unwrap_or_default();
        self.last_id += 1;
        self.live.insert(
            self.last_id,
            Session {
                worker,
                peer,
                role,
                worker_index,
                ..Session::default()
            },
        );
        (self.last_id, worker_index)
    }

    pub(crate) fn leave(&mut self, id: SessionId) -> Option<Session> {
        let left = self.live.remove(&id)?;
        if left.open {
            self.open.remove(left.role);
        }
        Some(left)
    }

    /// A session's stream is open now. Gives what it does.
    ///
    /// # Errors
    /// Gives the number back if no live session has it.
    pub(crate) fn set_open(&mut self, id: SessionId) -> Result<Role, SessionId> {
        let session = self.live.get_mut(&id).ok_or(id)?;
        let is_new = !std::mem::replace(&mut session.open, true);
        let role = session.role;
        if is_new {
            self.open.add(role);
        }
        Ok(role)
    }

    /// Those that are open.
    pub(crate) fn open(&self) -> RoleCounts {
        self.open
    }

    /// Sessions that train, or will once they are open.
    pub(crate) fn trainers(&self) -> usize {
        let trains = |session: &&Session| session.role.trains();
        self.live.values().filter(trains).count()
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.live.get_mut(&id)
    }

    pub(crate) fn len(&self) -> usize {
        self.live.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.live.iter().map(|(id, session)| (*id, session))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_index_is_reused_but_an_id_never_is() {
        let mut sessions = Sessions::default();
        let mut join = |role| sessions.join("w".into(), "p".into(), role);
        let mut bundled = || join(Role::Bundled);
        assert_eq!((bundled(), bundled(), bundled()), ((1, 0), (2, 1), (3, 2)));
        sessions.leave(2);
        let mut join = |role| sessions.join("w".into(), "p".into(), role);
        assert_eq!(join(Role::Bundled), (4, 1));
        assert_eq!((join(Role::Act), join(Role::Act)), ((5, 0), (6, 1)));
        assert_eq!(sessions.len(), 5);
    }

    #[test]
    fn who_only_acts_is_none_of_those_who_train() {
        let mut sessions = Sessions::default();
        for role in [Role::Act, Role::Train, Role::Bundled] {
            let (id, _) = sessions.join("w".into(), "p".into(), role);
            assert_eq!(sessions.set_open(id), Ok(role));
            assert_eq!(sessions.set_open(id), Ok(role));
        }
        let counts = |sessions: &Sessions| {
            let of = |role| sessions.open().of(role);
            [Role::Act, Role::Train, Role::Bundled].map(of)
        };
        assert_eq!((counts(&sessions), sessions.trainers()), ([1, 1, 1], 2));
        sessions.join("w".into(), "p".into(), Role::Act);
        assert_eq!(counts(&sessions), [1, 1, 1], "it is not open");
        for id in [1, 2, 4] {
            sessions.leave(id);
        }
        assert_eq!((counts(&sessions), sessions.trainers()), ([0, 0, 1], 1));
        assert_eq!(sessions.open().training(), 1);
    }
}
