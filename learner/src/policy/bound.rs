//! Stale synchronous parallel (Ho et al. 2013): the fast wait for the slow.

use std::collections::BTreeMap;
use std::time::Duration;

use super::attention::{Attention, NAMED, TIMEOUTS, Waits};
use crate::answers::SessionId;

/// How many turns each session has spent, counted from where it began: one for each of its gradients,
/// be it applied or refused. A session may begin a gradient, and take weights for it, while it is at
/// most `bound` ahead of the slowest; so no session is ever more than `bound` + 1 ahead.
///
/// Of W sessions each other one makes at most 2 `bound` + 1 updates between a session's turn and the end
/// of its gradient: it is at least at the slowest, `bound` behind, when that begins, and at most
/// `bound` + 1 ahead when that ends. So no gradient is more than (2 `bound` + 1)(W − 1) updates old.
///
/// A session is not waited for any more when others have waited a straggler timeout, and it has had
/// its turn for [`TIMEOUTS`] of them. Its next gradient that is applied makes it a newcomer.
///
/// Times are since this life of the learner began.
#[derive(Debug)]
pub(crate) struct SessionClocks {
    bound: u64,
    /// None is for ever.
    straggler_timeout: Option<Duration>,
    /// Of the sessions that are waited for.
    clocks: BTreeMap<SessionId, Clock>,
    /// Sessions by clock: its first key is the slowest.
    sessions_at: BTreeMap<u64, usize>,
    /// Open sessions that nobody waits for.
    silent: Vec<SessionId>,
    /// Those who wait for their turn, and since when.
    waiting: BTreeMap<SessionId, Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    spent: u64,
    /// When its turn began: it has answered, has waited, or was opened.
    since: Duration,
}

/// What became of the others with a session's update.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advance {
    /// Others may go on now that had to wait.
    pub(crate) others_may_go_on: bool,
    /// It is waited for again.
    pub(crate) regained: bool,
}

impl SessionClocks {
    pub(crate) fn new(bound: u64, straggler_timeout: Option<Duration>) -> Self {
        Self {
            bound,
            straggler_timeout,
            clocks: BTreeMap::new(),
            sessions_at: BTreeMap::new(),
            silent: Vec::new(),
            waiting: BTreeMap::new(),
        }
    }

    /// A session begins at `now`, where the slowest is: it neither holds up the others nor may it
    /// run ahead of them.
    pub(crate) fn open(&mut self, session: SessionId, now: Duration) {
        if !self.clocks.contains_key(&session) {
            let spent = self.slowest().unwrap_or_default();
            let clock = Clock { spent, since: now };
            self.clocks.insert(session, clock);
            *self.sessions_at.entry(spent).or_default() += 1;
        }
    }

    /// A session ends; whether others may go on now that had to wait.
    pub(crate) fn leave(&mut self, session: SessionId) -> bool {
        self.waiting.remove(&session);
        self.silent.retain(|silent| *silent != session);
        self.remove(session)
    }

    /// A gradient of `session` was applied at `now`.
    pub(crate) fn advance(&mut self, session: SessionId, now: Duration) -> Advance {
        let regained = self.regain(session, now);
        Advance {
            others_may_go_on: self.pass(session, now),
            regained,
        }
    }

    /// `session` has spent its turn at `now`, whatever became of its gradient; whether others may go
    /// on now that had to wait.
    pub(crate) fn pass(&mut self, session: SessionId, now: Duration) -> bool {
        let slowest = self.slowest();
        if let Some(clock) = self.clocks.get_mut(&session) {
            clock.spent += 1;
            clock.since = now;
            let reached = clock.spent;
            *self.sessions_at.entry(reached).or_default() += 1;
            self.remove_at(reached - 1);
        }
        self.slowest() != slowest
    }

    /// Whether a session may begin another gradient. One that is not waited for waits for nobody.
    pub(crate) fn may_go_on(&self, session: SessionId) -> bool {
        match (self.clocks.get(&session), self.slowest()) {
            (Some(clock), Some(slowest)) => clock.spent - slowest <= self.bound,
            _ => true,
        }
    }

    /// A session has to wait for its turn from `now` on.
    pub(crate) fn begin_waiting(&mut self, session: SessionId, now: Duration) {
        self.waiting.insert(session, now);
    }

    /// Its turn has come at `now`, or it has gone. From now on the others may wait for it.
    pub(crate) fn end_waiting(&mut self, session: SessionId, now: Duration) {
        self.waiting.remove(&session);
        if let Some(clock) = self.clocks.get_mut(&session) {
            clock.since = now;
        }
    }

    /// Stops waiting for those who have been silent for too long at `now`: gives them.
    pub(crate) fn give_up(&mut self, now: Duration) -> Vec<Attention> {
        let due = |(session, at): (SessionId, Duration)| (at <= now).then_some(session);
        let silent: Vec<SessionId> = self.given_up_at().filter_map(due).collect();
        for session in &silent {
            self.remove(*session);
        }
        self.silent.extend(&silent);
        silent.into_iter().map(Attention::Lost).collect()
    }

    /// When somebody is not waited for any more at the earliest.
    pub(crate) fn next_given_up(&self) -> Option<Duration> {
        self.given_up_at().map(|(_, at)| at).min()
    }

    /// Who waits for whom.
    pub(crate) fn waits(&self) -> Waits {
        let slowest = self.slowest();
        let holds_up = |(session, clock): (&SessionId, &Clock)| {
            (Some(clock.spent) == slowest).then_some(*session)
        };
        Waits {
            waiting: self.waiting.len(),
            since: self.waiting.values().min().copied(),
            waited_for: self
                .clocks
                .iter()
                .filter_map(holds_up)
                .take(NAMED)
                .collect(),
            silent: self.silent.len(),
        }
    }

    /// Until when each session is waited for that does not wait itself; nobody if none has to.
    fn given_up_at(&self) -> impl Iterator<Item = (SessionId, Duration)> {
        let longest = self.waiting.values().min().copied();
        let limits = self.straggler_timeout.zip(longest);
        let limits = limits.map(|(timeout, longest)| {
            let silence = timeout.saturating_mul(TIMEOUTS);
            (silence, longest.saturating_add(timeout))
        });
        limits.into_iter().flat_map(move |(silence, earliest)| {
            let active = |entry: &(&SessionId, &Clock)| !self.waiting.contains_key(entry.0);
            let at = move |(session, clock): (&SessionId, &Clock)| {
                let silent_until = clock.since.saturating_add(silence);
                (*session, silent_until.max(earliest))
            };
            self.clocks.iter().filter(active).map(at)
        })
    }

    /// Whether nobody has waited for it; then it is where the slowest is.
    fn regain(&mut self, session: SessionId, now: Duration) -> bool {
        let found = self.silent.iter().position(|silent| *silent == session);
        if let Some(index) = found {
            self.silent.swap_remove(index);
            self.open(session, now);
        }
        found.is_some()
    }

    fn remove(&mut self, session: SessionId) -> bool {
        let slowest = self.slowest();
        if let Some(clock) = self.clocks.remove(&session) {
            self.remove_at(clock.spent);
        }
        self.slowest() != slowest
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

    const SECOND: Duration = Duration::from_secs(1);

    fn clocks(bound: u64, sessions: &[SessionId]) -> SessionClocks {
        let mut clocks = SessionClocks::new(bound, Some(SECOND * 10));
        let open = |session: &SessionId| clocks.open(*session, Duration::ZERO);
        sessions.iter().for_each(open);
        clocks
    }

    /// Gradients that a session may push one after the other.
    fn run(clocks: &mut SessionClocks, session: SessionId) -> usize {
        let mut pushed = 0;
        while pushed < 100 && clocks.may_go_on(session) {
            clocks.advance(session, Duration::ZERO);
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
            let advance = clocks.advance(2, Duration::ZERO);
            assert!(advance.others_may_go_on, "the slowest has moved on");
            assert_eq!(run(&mut clocks, 1), 1);
        }
    }

    #[test]
    fn a_refused_gradient_spends_its_turn_and_regains_nobody() {
        let mut clocks = clocks(0, &[1, 2]);
        run(&mut clocks, 1);
        assert!(clocks.pass(2, SECOND), "the slowest has moved on");
        assert!(clocks.may_go_on(1));
        run(&mut clocks, 1);
        clocks.begin_waiting(1, SECOND);
        assert_eq!(clocks.give_up(SECOND * 31), [Attention::Lost(2)]);
        assert!(!clocks.pass(2, SECOND * 32));
        assert_eq!(clocks.waits().silent, 1);
    }

    #[test]
    fn silence_is_counted_from_the_turn_and_not_from_the_wait_for_it() {
        let mut clocks = clocks(0, &[1, 2]);
        clocks.advance(1, SECOND);
        clocks.begin_waiting(1, SECOND);
        clocks.advance(2, SECOND * 29);
        clocks.end_waiting(1, SECOND * 29);
        clocks.advance(2, SECOND * 30);
        clocks.begin_waiting(2, SECOND * 30);
        assert_eq!(clocks.next_given_up(), Some(SECOND * 59));
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
            clocks.advance(1, Duration::ZERO);
            clocks.advance(2, Duration::ZERO);
        });
        clocks.advance(1, Duration::ZERO);
        clocks.open(3, Duration::ZERO);
        assert_eq!(run(&mut clocks, 3), 4);
        assert_eq!(run(&mut clocks, 1), 3);
    }

    #[test]
    fn a_silent_session_is_left_alone_until_it_contributes() {
        let mut clocks = clocks(0, &[1, 2, 3]);
        clocks.advance(1, SECOND);
        clocks.advance(2, SECOND);
        assert_eq!(clocks.next_given_up(), None, "nobody waits");
        assert!(clocks.give_up(SECOND * 1_000).is_empty());
        clocks.begin_waiting(1, SECOND * 2);
        clocks.begin_waiting(2, SECOND * 3);
        let waits = clocks.waits();
        assert_eq!((waits.waiting, waits.since), (2, Some(SECOND * 2)));
        assert_eq!((waits.waited_for, waits.silent), (vec![3], 0));
        assert_eq!(clocks.next_given_up(), Some(SECOND * 30));
        assert!(clocks.give_up(SECOND * 29).is_empty());
        assert_eq!(clocks.give_up(SECOND * 30), [Attention::Lost(3)]);
        assert_eq!(clocks.waits().silent, 1);
        for session in [1, 2] {
            assert!(clocks.may_go_on(session));
            clocks.end_waiting(session, SECOND * 30);
            clocks.advance(session, SECOND * 30);
        }
        assert!(clocks.may_go_on(3));
        assert!(clocks.advance(3, SECOND * 40).regained);
        assert_eq!(clocks.waits().silent, 0);
        assert!(
            !clocks.may_go_on(3),
            "it went on from where the slowest was"
        );
        assert!(clocks.may_go_on(1) && clocks.may_go_on(2));
        assert!(!clocks.advance(1, SECOND * 41).regained);
    }

    #[test]
    fn a_wait_lasts_one_timeout_at_least_and_all_who_are_silent_go_together() {
        let mut clocks = clocks(1, &[1, 2, 3]);
        clocks.advance(2, SECOND);
        clocks.advance(1, SECOND * 50);
        clocks.advance(1, SECOND * 50);
        clocks.begin_waiting(1, SECOND * 60);
        assert_eq!(clocks.next_given_up(), Some(SECOND * 70));
        let both = [Attention::Lost(2), Attention::Lost(3)];
        assert_eq!(clocks.give_up(SECOND * 70), both);
        assert!(clocks.leave(1) && !clocks.leave(3));
        assert!(clocks.advance(2, SECOND * 71).regained);
        assert_eq!(clocks.waits().silent, 0);
    }

    #[test]
    fn without_a_timeout_it_waits_for_ever() {
        let mut clocks = SessionClocks::new(0, None);
        clocks.open(1, Duration::ZERO);
        clocks.open(2, Duration::ZERO);
        clocks.advance(1, SECOND);
        clocks.begin_waiting(1, SECOND);
        assert_eq!(clocks.next_given_up(), None);
        assert!(clocks.give_up(Duration::MAX).is_empty());
    }

    /// A session as it is counted by hand.
    #[derive(Clone, Copy, Debug)]
    struct ByHand {
        clock: u64,
        since: Duration,
        waits_since: Option<Duration>,
        silent: bool,
    }

    fn slowest(sessions: &BTreeMap<SessionId, ByHand>) -> Option<u64> {
        let waited_for = sessions.values().filter(|session| !session.silent);
        waited_for.map(|session| session.clock).min()
    }

    fn give_up_by_hand(sessions: &mut BTreeMap<SessionId, ByHand>, now: Duration) {
        let longest = sessions.values().filter_map(|s| s.waits_since).min();
        let waited_enough = longest.is_some_and(|since| now >= since + SECOND * 10);
        for session in sessions.values_mut() {
            let is_silent = now >= session.since + SECOND * 30;
            session.silent |= waited_enough && is_silent && session.waits_since.is_none();
        }
    }

    /// Random lives of sessions, against counting by hand: nobody is more than the bound ahead of
    /// those that are waited for, and somebody may always go on.
    #[test]
    fn nobody_is_more_than_the_bound_ahead_and_somebody_may_always_go_on() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let bound = rng.random_range(0..5);
            let mut clocks = SessionClocks::new(bound, Some(SECOND * 10));
            let mut by_hand: BTreeMap<SessionId, ByHand> = BTreeMap::new();
            for step in 0..300 {
                let now = SECOND * step as u32;
                let slowest_before = slowest(&by_hand);
                let pick = rng.random_range(0..by_hand.len().max(1));
                let session = by_hand.keys().nth(pick).copied();
                match (rng.random_range(0..10), session) {
                    (0, _) | (_, None) => {
                        clocks.open(step, now);
                        let newcomer = ByHand {
                            clock: slowest_before.unwrap_or_default(),
                            since: now,
                            waits_since: None,
                            silent: false,
                        };
                        by_hand.insert(step, newcomer);
                    }
                    (1, Some(session)) => {
                        clocks.leave(session);
                        by_hand.remove(&session);
                    }
                    (_, Some(session)) => {
                        let found = by_hand.get_mut(&session).unwrap();
                        let may_go_on = found.silent
                            || found.clock - slowest_before.unwrap_or_default() <= bound;
                        assert_eq!(clocks.may_go_on(session), may_go_on, "seed {seed}");
                        if may_go_on && found.waits_since.is_some() {
                            clocks.end_waiting(session, now);
                            (found.waits_since, found.since) = (None, now);
                        } else if may_go_on && rng.random_bool(0.3) {
                            clocks.pass(session, now);
                            if !found.silent {
                                (found.clock, found.since) = (found.clock + 1, now);
                            }
                        } else if may_go_on {
                            let advance = clocks.advance(session, now);
                            assert_eq!(advance.regained, found.silent, "seed {seed}");
                            if found.silent {
                                found.clock = slowest_before.unwrap_or_default();
                            }
                            found.silent = false;
                            (found.clock, found.since) = (found.clock + 1, now);
                        } else if found.waits_since.is_none() {
                            clocks.begin_waiting(session, now);
                            found.waits_since = Some(now);
                        }
                    }
                }
                clocks.give_up(now);
                give_up_by_hand(&mut by_hand, now);
                let is_later = clocks.next_given_up().is_none_or(|at| at > now);
                assert!(is_later, "seed {seed}");
                let silent = by_hand.values().filter(|session| session.silent).count();
                assert_eq!(clocks.waits().silent, silent, "seed {seed}");
                let slowest = slowest(&by_hand);
                assert_eq!(clocks.slowest(), slowest, "seed {seed}");
                let mut waited_for = by_hand.values().filter(|session| !session.silent);
                let most = slowest.unwrap_or_default() + bound + 1;
                assert!(waited_for.all(|session| session.clock <= most));
                let mut live = by_hand.keys();
                assert!(by_hand.is_empty() || live.any(|session| clocks.may_go_on(*session)));
            }
        }
    }
}
