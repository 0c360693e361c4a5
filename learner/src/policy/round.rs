//! Rounds of the synchronous mode (A2C): all workers' gradients make one update together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attention::{Attention, NAMED, TIMEOUTS, Waits};
use crate::answers::{Refusal, SessionId, Verdict};

/// What a member gives to a round.
pub(crate) trait Part {
    /// Whether it moves the parameters. One that was refused does not; its session waits for the
    /// round's end like the others.
    fn is_gradient(&self) -> bool;
}

/// Gathers one contribution of each member, all of them computed on the same version.
///
/// The members of a round are the sessions that are open when it begins: it waits for them. A
/// session that opens while nobody has contributed yet becomes a member too, for then nobody
/// waits. One that opens later is a member of the next round; this one does not wait for it, but
/// takes its contribution if that comes in time, so that no work is lost.
///
/// A session that [`TIMEOUTS`] rounds in a row waited for in vain is no member any more. A gradient
/// makes it one again: one that counts for good, one that is late with one chance, so that whoever is
/// always late does not cost a timeout each round.
///
/// A round in which all was refused makes no version: the next one is computed on the same.
///
/// Times are since this life of the learner began.
#[derive(Debug)]
pub(crate) struct Rounds<C> {
    settings: RoundSettings,
    /// The version that this round's gradients are computed on.
    version: u64,
    /// Whether there have been enough sessions for the first round.
    begun: bool,
    open: BTreeSet<SessionId>,
    /// Members that have not contributed yet.
    missing: BTreeSet<SessionId>,
    /// In order of session, so that their sum does not depend on which came first.
    contributions: BTreeMap<SessionId, C>,
    /// Since when contributions wait.
    waits_since: Option<Duration>,
    deadline: Option<Duration>,
    a_member_left: bool,
    /// Of open sessions: rounds in a row that waited for them in vain.
    missed: BTreeMap<SessionId, u32>,
    /// What has not been told yet.
    changes: Vec<Attention>,
}

/// How long rounds wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundSettings {
    /// Sessions that the first round waits for.
    pub(crate) first_sessions: usize,
    /// How long a round waits for the others after its first contribution; none is for ever.
    pub(crate) straggler_timeout: Option<Duration>,
}

/// Why a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundEnd {
    /// All members have contributed.
    Full,
    /// All have but those that left.
    Left,
    /// Some did not in time.
    Deadline,
}

impl RoundEnd {
    pub(crate) const ALL: [Self; 3] = [Self::Full, Self::Left, Self::Deadline];

    /// What counters call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Left => "left",
            Self::Deadline => "deadline",
        }
    }
}

/// A round that has ended: one contribution at least.
#[derive(Debug, PartialEq)]
pub(crate) struct Round<C> {
    pub(crate) end: RoundEnd,
    pub(crate) contributions: BTreeMap<SessionId, C>,
}

impl<C: Part> Rounds<C> {
    /// The first round is computed on `version`.
    pub(crate) fn new(settings: RoundSettings, version: u64) -> Self {
        Self {
            settings,
            version,
            begun: false,
            open: BTreeSet::new(),
            missing: BTreeSet::new(),
            contributions: BTreeMap::new(),
            waits_since: None,
            deadline: None,
            a_member_left: false,
            missed: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    /// The version that contributions must be computed on.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// When the round ends at the latest; none if nothing says so yet.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// A session opens at `now`.
    pub(crate) fn open(&mut self, session: SessionId, now: Duration) {
        self.open.insert(session);
        if !self.begun || self.contributions.is_empty() {
            self.missing.insert(session);
        }
        if self.open.len() >= self.settings.first_sessions && !self.begun {
            self.begun = true;
            self.start_waiting(now);
        }
    }

    /// A session leaves; its contribution to the open round goes with it.
    pub(crate) fn leave(&mut self, session: SessionId) -> Option<C> {
        self.open.remove(&session);
        self.missed.remove(&session);
        let withdrawn = self.contributions.remove(&session);
        self.a_member_left |= self.missing.remove(&session) || withdrawn.is_some();
        if self.contributions.is_empty() {
            self.begin_with_those_who_are_open();
        }
        withdrawn
    }

    /// Takes a contribution to the open round, or says why not and gives it back.
    pub(crate) fn contribute(
        &mut self,
        session: SessionId,
        computed_on: u64,
        contribution: C,
        now: Duration,
    ) -> Result<(), (Refusal, C)> {
        match self.refusal(session, computed_on) {
            Some(refusal) => {
                if refusal.verdict == Verdict::Late {
                    self.give_another_chance(session);
                }
                Err((refusal, contribution))
            }
            None => {
                if self.is_silent(session) {
                    self.changes.push(Attention::Regained(session));
                }
                self.missed.remove(&session);
                self.missing.remove(&session);
                self.contributions.insert(session, contribution);
                self.start_waiting(now);
                Ok(())
            }
        }
    }

    /// A session has sent what cannot be a part of a round: this one does not wait for it.
    pub(crate) fn pass(&mut self, session: SessionId) {
        self.missing.remove(&session);
    }

    /// The round, if it is over at `now`; then the next one has begun.
    pub(crate) fn close(&mut self, now: Duration) -> Option<Round<C>> {
        if !self.begun || self.contributions.is_empty() {
            return None;
        }
        let overdue = self.deadline.is_some_and(|deadline| now >= deadline);
        let end = match (self.missing.is_empty(), self.a_member_left) {
            (true, false) => RoundEnd::Full,
            (true, true) => RoundEnd::Left,
            (false, _) if overdue => RoundEnd::Deadline,
            (false, _) => return None,
        };
        let contributions = std::mem::take(&mut self.contributions);
        self.count_missing();
        self.version += u64::from(contributions.values().any(Part::is_gradient));
        self.begin_with_those_who_are_open();
        Some(Round { end, contributions })
    }

    /// The round that was closed last has made no version after all: nothing came of its gradients.
    pub(crate) fn withdraw_version(&mut self) {
        self.version = self.version.saturating_sub(1);
    }

    /// Whose membership has changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<Attention> {
        std::mem::take(&mut self.changes)
    }

    /// Who waits for whom.
    pub(crate) fn waits(&self) -> Waits {
        Waits {
            waiting: self.contributions.len(),
            since: self.waits_since,
            waited_for: self.missing.iter().copied().take(NAMED).collect(),
            silent: self
                .missed
                .values()
                .filter(|missed| **missed >= TIMEOUTS)
                .count(),
        }
    }

    /// Sessions that must open before the first round; none once it has begun.
    pub(crate) fn sessions_to_come(&self) -> usize {
        let to_come = self.settings.first_sessions.saturating_sub(self.open.len());
        if self.begun { 0 } else { to_come }
    }

    fn is_silent(&self, session: SessionId) -> bool {
        self.missed
            .get(&session)
            .is_some_and(|missed| *missed >= TIMEOUTS)
    }

    /// The members that the round has waited for in vain.
    fn count_missing(&mut self) {
        for session in &self.missing {
            let missed = self.missed.entry(*session).or_default();
            *missed += 1;
            if *missed == TIMEOUTS {
                self.changes.push(Attention::Lost(*session));
            }
        }
    }

    /// A session that was too late is waited for once more.
    fn give_another_chance(&mut self, session: SessionId) {
        if self.is_silent(session) {
            self.missed.insert(session, TIMEOUTS - 1);
            self.changes.push(Attention::Regained(session));
            if self.contributions.is_empty() {
                self.missing.insert(session);
            }
        }
    }

    fn refusal(&self, session: SessionId, computed_on: u64) -> Option<Refusal> {
        let version = self.version;
        let (verdict, detail) = if !self.open.contains(&session) {
            let detail = format!("session {session} is not open in this epoch");
            (Verdict::WrongEpoch, detail)
        } else if computed_on > version {
            let detail = format!("computed on version {computed_on}; the newest is {version}");
            (Verdict::Malformed, detail)
        } else if computed_on < version {
            let detail = format!(
                "computed on version {computed_on}, whose round is closed; this round's is {version}"
            );
            (Verdict::Late, detail)
        } else if self.contributions.contains_key(&session) {
            let detail = format!("the session has contributed to the round of version {version}");
            (Verdict::Duplicate, detail)
        } else {
            return None;
        };
        Some(Refusal::new(verdict, detail))
    }

    fn start_waiting(&mut self, now: Duration) {
        if self.contributions.is_empty() {
            return;
        }
        self.waits_since.get_or_insert(now);
        if self.begun && self.deadline.is_none() {
            self.deadline = self
                .settings
                .straggler_timeout
                .map(|timeout| now.saturating_add(timeout));
        }
    }

    fn begin_with_those_who_are_open(&mut self) {
        let waited_for = |session: &SessionId| !self.is_silent(*session);
        self.missing = self.open.iter().copied().filter(waited_for).collect();
        self.waits_since = None;
        self.deadline = None;
        self.a_member_left = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const SECOND: Duration = Duration::from_secs(1);

    impl Part for &'static str {
        fn is_gradient(&self) -> bool {
            *self == "g"
        }
    }

    impl Part for u64 {
        fn is_gradient(&self) -> bool {
            *self > 0
        }
    }

    fn rounds(first_sessions: usize, sessions: &[SessionId]) -> Rounds<&'static str> {
        let settings = RoundSettings {
            first_sessions,
            straggler_timeout: Some(SECOND * 10),
        };
        let mut rounds = Rounds::new(settings, 0);
        let open = |session: &SessionId| rounds.open(*session, Duration::ZERO);
        sessions.iter().for_each(open);
        rounds
    }

    fn contribute(rounds: &mut Rounds<&'static str>, session: SessionId, now: Duration) {
        let version = rounds.version();
        rounds.contribute(session, version, "g", now).unwrap();
    }

    fn verdict(rounds: &mut Rounds<&'static str>, session: SessionId, version: u64) -> Verdict {
        let refused = rounds.contribute(session, version, "g", Duration::ZERO);
        refused.unwrap_err().0.verdict
    }

    fn end(round: Option<Round<&'static str>>) -> (RoundEnd, Vec<SessionId>) {
        let round = round.unwrap();
        (round.end, round.contributions.into_keys().collect())
    }

    #[test]
    fn a_round_ends_with_its_last_member_and_in_order_of_session() {
        let mut rounds = rounds(1, &[1, 2, 3]);
        for session in [3, 1] {
            contribute(&mut rounds, session, SECOND);
            assert_eq!(rounds.close(SECOND), None);
        }
        contribute(&mut rounds, 2, SECOND);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1, 2, 3]));
        assert_eq!((rounds.version(), rounds.close(SECOND)), (1, None));
    }

    #[test]
    fn the_first_round_waits_for_enough_sessions_and_its_deadline_too() {
        let mut rounds = rounds(2, &[1]);
        contribute(&mut rounds, 1, SECOND);
        assert_eq!((rounds.deadline(), rounds.close(SECOND * 99)), (None, None));
        rounds.open(2, SECOND * 100);
        assert_eq!(rounds.deadline(), Some(SECOND * 110));
        assert_eq!(rounds.close(SECOND * 109), None);
        contribute(&mut rounds, 2, SECOND * 109);
        assert_eq!(
            end(rounds.close(SECOND * 109)),
            (RoundEnd::Full, vec![1, 2])
        );
        assert!(rounds.leave(2).is_none());
        contribute(&mut rounds, 1, SECOND * 120);
        assert!(rounds.close(SECOND * 120).is_some(), "only the first waits");
    }

    #[test]
    fn a_refused_part_waits_like_the_others_and_one_without_any_gradient_makes_no_version() {
        let mut rounds = rounds(1, &[1, 2]);
        rounds.contribute(1, 0, "refused", SECOND).unwrap();
        assert_eq!(rounds.close(SECOND), None, "it waits for session 2");
        assert_eq!(verdict(&mut rounds, 1, 0), Verdict::Duplicate);
        contribute(&mut rounds, 2, SECOND);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1, 2]));
        assert_eq!(rounds.version(), 1);
        for session in [1, 2] {
            rounds.contribute(session, 1, "refused", SECOND).unwrap();
        }
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1, 2]));
        assert_eq!(rounds.version(), 1, "the next is computed on the same");
        contribute(&mut rounds, 1, SECOND);
        assert_eq!(rounds.close(SECOND), None, "it has all members again");
    }

    #[test]
    fn who_sends_what_cannot_be_a_part_is_not_waited_for() {
        let mut rounds = rounds(1, &[1, 2]);
        rounds.pass(2);
        contribute(&mut rounds, 1, SECOND);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1]));
        contribute(&mut rounds, 1, SECOND);
        assert_eq!(rounds.close(SECOND), None, "it is a member of the next");
        rounds.pass(2);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1]));
    }

    #[test]
    fn stragglers_are_left_out_and_told_so() {
        let mut rounds = rounds(1, &[1, 2]);
        contribute(&mut rounds, 1, SECOND * 5);
        assert_eq!(rounds.close(SECOND * 14), None);
        assert_eq!(
            end(rounds.close(SECOND * 15)),
            (RoundEnd::Deadline, vec![1])
        );
        assert_eq!(verdict(&mut rounds, 2, 0), Verdict::Late);
        assert_eq!(rounds.deadline(), None, "the next round has its own");
        contribute(&mut rounds, 2, SECOND * 16);
        assert_eq!(
            rounds.close(SECOND * 16),
            None,
            "it waits for session 1 again"
        );
    }

    #[test]
    fn leaving_withdraws_and_holds_nobody() {
        let mut rounds = rounds(1, &[1, 2, 3]);
        contribute(&mut rounds, 1, SECOND);
        contribute(&mut rounds, 3, SECOND);
        assert_eq!(rounds.leave(1), Some("g"));
        assert_eq!(rounds.close(SECOND), None);
        assert_eq!(rounds.leave(2), None);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Left, vec![3]));
        assert_eq!(rounds.leave(3), None);
        assert_eq!(rounds.close(SECOND * 99), None, "nothing was contributed");
    }

    #[test]
    fn a_newcomer_is_waited_for_only_where_nobody_waits_yet() {
        let mut rounds = rounds(1, &[1]);
        rounds.open(2, SECOND);
        contribute(&mut rounds, 1, SECOND);
        assert_eq!(rounds.close(SECOND), None);
        rounds.open(3, SECOND);
        contribute(&mut rounds, 2, SECOND);
        assert_eq!(end(rounds.close(SECOND)), (RoundEnd::Full, vec![1, 2]));
        contribute(&mut rounds, 1, SECOND);
        rounds.open(4, SECOND);
        contribute(&mut rounds, 4, SECOND);
        contribute(&mut rounds, 2, SECOND);
        assert_eq!(rounds.close(SECOND), None, "session 3 is a member now");
        contribute(&mut rounds, 3, SECOND);
        let all = (RoundEnd::Full, vec![1, 2, 3, 4]);
        assert_eq!(end(rounds.close(SECOND)), all, "what came in time counts");
    }

    #[test]
    fn what_does_not_belong_to_the_round_is_refused() {
        let mut rounds = rounds(1, &[1, 2]);
        assert_eq!(verdict(&mut rounds, 1, 1), Verdict::Malformed);
        assert_eq!(verdict(&mut rounds, 7, 0), Verdict::WrongEpoch);
        contribute(&mut rounds, 1, SECOND);
        assert_eq!(verdict(&mut rounds, 1, 0), Verdict::Duplicate);
    }

    #[test]
    fn a_silent_member_is_left_alone_after_three_rounds_until_it_contributes() {
        let mut rounds = rounds(1, &[1, 2]);
        let mut now = Duration::ZERO;
        for missed in 1..=TIMEOUTS {
            assert_eq!(rounds.take_changes(), []);
            contribute(&mut rounds, 1, now);
            let waits = rounds.waits();
            assert_eq!((waits.waiting, waits.since), (1, Some(now)));
            assert_eq!((waits.waited_for, waits.silent), (vec![2], 0));
            now += SECOND * 10;
            assert_eq!(end(rounds.close(now)).0, RoundEnd::Deadline, "{missed}");
        }
        assert_eq!(rounds.take_changes(), [Attention::Lost(2)]);
        for _ in 0..5 {
            contribute(&mut rounds, 1, now);
            assert_eq!(end(rounds.close(now)), (RoundEnd::Full, vec![1]));
        }
        assert_eq!(rounds.waits().silent, 1);
        contribute(&mut rounds, 2, now);
        assert_eq!(rounds.take_changes(), [Attention::Regained(2)]);
        assert_eq!(rounds.close(now), None, "it counts, and waits like others");
        contribute(&mut rounds, 1, now);
        assert_eq!(end(rounds.close(now)), (RoundEnd::Full, vec![1, 2]));
        contribute(&mut rounds, 1, now);
        assert_eq!(rounds.close(now + SECOND * 9), None, "it is a member again");
    }

    #[test]
    fn whoever_is_late_is_waited_for_again_once_and_for_good_where_it_comes_in_time() {
        let mut rounds = rounds(1, &[1, 2]);
        let mut now = Duration::ZERO;
        let wait_in_vain = |rounds: &mut Rounds<&'static str>, now: &mut Duration| {
            contribute(rounds, 1, *now);
            *now += SECOND * 10;
            assert_eq!(end(rounds.close(*now)).0, RoundEnd::Deadline);
        };
        (0..TIMEOUTS).for_each(|_| wait_in_vain(&mut rounds, &mut now));
        assert_eq!(rounds.take_changes(), [Attention::Lost(2)]);
        assert_eq!(verdict(&mut rounds, 2, 0), Verdict::Late);
        assert_eq!(rounds.take_changes(), [Attention::Regained(2)]);
        wait_in_vain(&mut rounds, &mut now);
        assert_eq!(rounds.take_changes(), [Attention::Lost(2)]);
        contribute(&mut rounds, 1, now);
        assert_eq!(verdict(&mut rounds, 2, 0), Verdict::Late);
        assert_eq!(end(rounds.close(now)), (RoundEnd::Full, vec![1]));
        contribute(&mut rounds, 1, now);
        assert_eq!(rounds.close(now), None, "it is a member of the next round");
        contribute(&mut rounds, 2, now);
        assert!(rounds.close(now).is_some());
        for _ in 1..TIMEOUTS {
            wait_in_vain(&mut rounds, &mut now);
        }
        assert_eq!(rounds.waits().silent, 0, "it began anew");
    }

    fn waited_for(
        open: &BTreeSet<SessionId>,
        missed: &BTreeMap<SessionId, u32>,
    ) -> BTreeSet<SessionId> {
        let waited_for = |session: &&SessionId| missed.get(session) != Some(&TIMEOUTS);
        open.iter().filter(waited_for).copied().collect()
    }

    /// Random lives of sessions: after each event a round is over exactly if a slow look at
    /// everything that happened since it began says so.
    #[test]
    fn rounds_end_when_a_slow_reference_says_so() {
        for seed in 0..300 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let first_sessions = rng.random_range(1..4);
            let settings = RoundSettings {
                first_sessions,
                straggler_timeout: Some(SECOND * 3),
            };
            let mut rounds = Rounds::new(settings, 0);
            let (mut open, mut members, mut given) =
                (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
            let (mut begun, mut waits_since) = (false, None);
            let mut missed: BTreeMap<SessionId, u32> = BTreeMap::new();
            for step in 0..200_u64 {
                let now = SECOND * step as u32;
                let pick = rng.random_range(0..open.len().max(1));
                let session = open.iter().nth(pick).copied();
                match (rng.random_range(0..8), session) {
                    (0, _) | (_, None) => {
                        rounds.open(step, now);
                        open.insert(step);
                        if !begun || given.is_empty() {
                            members.insert(step);
                        }
                        begun |= open.len() >= first_sessions;
                    }
                    (1, Some(session)) => {
                        assert_eq!(rounds.leave(session), given.remove(&session));
                        open.remove(&session);
                        members.remove(&session);
                        missed.remove(&session);
                        if given.is_empty() {
                            members = waited_for(&open, &missed);
                            waits_since = None;
                        }
                    }
                    (2, Some(session)) if rounds.version() > 0 => {
                        let old = rounds.version() - 1;
                        let refused = rounds.contribute(session, old, step, now);
                        assert_eq!(refused.unwrap_err().0.verdict, Verdict::Late);
                        if missed.get(&session) == Some(&TIMEOUTS) {
                            missed.insert(session, TIMEOUTS - 1);
                            if given.is_empty() {
                                members.insert(session);
                            }
                        }
                    }
                    (_, Some(session)) => {
                        let taken = rounds.contribute(session, rounds.version(), step, now);
                        assert_eq!(taken.is_ok(), !given.contains_key(&session));
                        given.entry(session).or_insert(step);
                        missed.remove(&session);
                    }
                }
                if begun && !given.is_empty() {
                    waits_since.get_or_insert(now);
                }
                let whole = members.iter().all(|member| given.contains_key(member));
                let overdue = waits_since.is_some_and(|since| now >= since + SECOND * 3);
                let over = begun && !given.is_empty() && (whole || overdue);
                let closed = rounds.close(now);
                assert_eq!(closed.is_some(), over, "seed {seed}, step {step}");
                if let Some(round) = closed {
                    assert_eq!(round.contributions, given, "seed {seed}, step {step}");
                    assert_eq!(round.end == RoundEnd::Deadline, !whole);
                    for session in members.iter().filter(|member| !given.contains_key(member)) {
                        *missed.entry(*session).or_default() += 1;
                    }
                    given.clear();
                    members = waited_for(&open, &missed);
                    waits_since = None;
                }
                assert!(rounds.deadline().is_none_or(|deadline| deadline > now));
                let silent = missed
                    .values()
                    .filter(|missed| **missed == TIMEOUTS)
                    .count();
                assert_eq!(rounds.waits().silent, silent, "seed {seed}, step {step}");
            }
        }
    }
}
