//! Stale synchronous parallel (Ho et al. 2013): the fast wait for the slow.

use std::collections::BTreeMap;

use crate::session::SessionId;

/// How many gradients of each session have been applied, counted from where it began. A session
/// may go on while it is at most `bound` ahead of the slowest; so after each apply no session is
/// more than `bound` + 1 ahead.
#[derive(Debug)]
pub(crate) struct SessionClocks {
    bound: u64,
    clocks: BTreeMap<SessionId, u64>,
    /// Sessions by clock: its first key is the slowest.
    sessions_at: BTreeMap<u64, usize>,
}

impl SessionClocks {
    pub(crate) fn new(bound: u64) -> Self {
        Self {
            bound,
            clocks: BTreeMap::new(),
            sessions_at: BTreeMap::new(),
        }
    }

    /// A session begins, where the slowest is: it neither holds up the others nor may it run
    /// ahead of them.
    pub(crate) fn open(&mut self, session: SessionId) {
        if !self.clocks.contains_key(&session) {
            let start = self.slowest().unwrap_or_default();
            self.clocks.insert(session, start);
            *self.sessions_at.entry(start).or_default() += 1;
        }
    }

    /// A session ends; whether others may go on now that had to wait.
    pub(crate) fn leave(&mut self, session: SessionId) -> bool {
        let slowest = self.slowest();
        if let Some(clock) = self.clocks.remove(&session) {
            self.remove_at(clock);
        }
        self.slowest() != slowest
    }

    /// A gradient of `session` was applied; whether others may go on now that had to wait.
    pub(crate) fn advance(&mut self, session: SessionId) -> bool {
        let slowest = self.slowest();
        if let Some(clock) = self.clocks.get_mut(&session) {
            *clock += 1;
            let reached = *clock;
            *self.sessions_at.entry(reached).or_default() += 1;
            self.remove_at(reached - 1);
        }
        self.slowest() != slowest
    }

    /// Whether a session may begin another gradient. One that is not open waits for nobody.
    pub(crate) fn may_go_on(&self, session: SessionId) -> bool {
        match (self.clocks.get(&session), self.slowest()) {
            (Some(clock), Some(slowest)) => clock - slowest <= self.bound,
            _ => true,
        }
    }

    fn slowest(&self) -> Option<u64> {
        self.sessions_at.keys().next().copied()
    }

    fn remove_at(&mut self, clock: u64) {
        if let Some(sessions) = self.sessions_at.get_mut(&clock) {
            *sessions -= 1;
            if *sessions == 0 {
                self.sessions_at.remove(&clock);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn clocks(bound: u64, sessions: &[SessionId]) -> SessionClocks {
        let mut clocks = SessionClocks::new(bound);
        sessions.iter().for_each(|session| clocks.open(*session));
        clocks
    }

    /// Gradients that a session may push one after the other.
    fn run(clocks: &mut SessionClocks, session: SessionId) -> usize {
        let mut pushed = 0;
        while pushed < 100 && clocks.may_go_on(session) {
            clocks.advance(session);
            pushed += 1;
        }
        pushed
    }

    #[test]
    fn the_fast_one_stops_when_it_is_more_than_the_bound_ahead() {
        for bound in [0, 1, 4] {
            let mut clocks = clocks(bound, &[1, 2]);
            assert_eq!(run(&mut clocks, 1), bound as usize + 1);
            assert!(clocks.may_go_on(2));
            assert!(clocks.advance(2), "the slowest has moved on");
            assert_eq!(run(&mut clocks, 1), 1);
        }
    }

    #[test]
    fn leaving_lets_the_others_go_on_and_one_alone_never_waits() {
        let mut clocks = clocks(2, &[1, 2]);
        run(&mut clocks, 1);
        assert!(clocks.leave(2));
        assert_eq!(run(&mut clocks, 1), 100);
        assert!(clocks.leave(1));
        assert!(!clocks.leave(1));
        assert!(clocks.may_go_on(1));
    }

    #[test]
    fn a_newcomer_starts_where_the_slowest_is() {
        let mut clocks = clocks(3, &[1, 2]);
        (0..50).for_each(|_| {
            clocks.advance(1);
            clocks.advance(2);
        });
        clocks.advance(1);
        clocks.open(3);
        assert_eq!(run(&mut clocks, 3), 4);
        assert_eq!(run(&mut clocks, 1), 3);
    }

    /// Random lives of sessions, against counting by hand.
    #[test]
    fn nobody_is_more_than_the_bound_ahead_and_somebody_may_always_go_on() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let bound = rng.random_range(0..5);
            let mut clocks = SessionClocks::new(bound);
            let mut by_hand: BTreeMap<SessionId, u64> = BTreeMap::new();
            for step in 0..300 {
                let slowest = by_hand.values().min().copied();
                let pick = rng.random_range(0..by_hand.len().max(1));
                let session = by_hand.keys().nth(pick).copied();
                match (rng.random_range(0..10), session) {
                    (0, _) | (_, None) => {
                        clocks.open(step);
                        by_hand.insert(step, slowest.unwrap_or_default());
                    }
                    (1, Some(session)) => {
                        clocks.leave(session);
                        by_hand.remove(&session);
                    }
                    (_, Some(session)) => {
                        let ahead = by_hand[&session] - slowest.unwrap_or_default();
                        assert_eq!(clocks.may_go_on(session), ahead <= bound, "seed {seed}");
                        if clocks.may_go_on(session) {
                            clocks.advance(session);
                            *by_hand.get_mut(&session).unwrap() += 1;
                        }
                    }
                }
                let slowest = by_hand.values().min().copied().unwrap_or_default();
                assert!(by_hand.values().all(|clock| clock - slowest <= bound + 1));
                let mut live = by_hand.keys();
                assert!(by_hand.is_empty() || live.any(|session| clocks.may_go_on(*session)));
                assert_eq!(clocks.slowest().unwrap_or_default(), slowest, "seed {seed}");
            }
        }
    }
}
