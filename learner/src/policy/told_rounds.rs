//! Rounds of a shard that is told which gradients each is of.

use std::collections::{BTreeMap, BTreeSet};

use super::round::Part;
use crate::answers::{Refusal, SessionId, Verdict};

/// Why a shard refuses what it would have taken.
pub(crate) const REFUSED: &str = "the lead has refused it";

/// A gradient: its session's number with the lead, and its own.
pub(crate) type Named = (SessionId, u64);

/// Gathers the slices of a round's gradients. Which ones a round is of is decided by the lead, as whose they are known; all
/// are computed on the same version.
///
/// A contribution that is no gradient waits for the round's end like the others: what its session computes next is on the
/// round's version at all shards.
#[derive(Debug)]
pub(crate) struct ToldRounds<C> {
    /// The version that the next round's gradients are computed on.
    version: u64,
    /// With their own numbers.
    contributions: BTreeMap<SessionId, (u64, C)>,
    /// Sessions whose gradients came and cannot be a part of the round.
    refused: BTreeSet<SessionId>,
    /// Up to which gradient of each session the lead has refused.
    refused_up_to: BTreeMap<SessionId, u64>,
}

/// What has come of a round.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gathered {
    /// Some are on their way.
    Some,
    /// All.
    All,
    /// These do not come.
    Without(Vec<SessionId>),
}

impl<C: Part> ToldRounds<C> {
    /// The first round is computed on `version`.
    pub(crate) fn new(version: u64) -> Self {
        Self {
            version,
            contributions: BTreeMap::new(),
            refused: BTreeSet::new(),
            refused_up_to: BTreeMap::new(),
        }
    }

    /// Takes a session's contribution, or says why not and gives it back.
    pub(crate) fn contribute(
        &mut self,
        (session, sequence): Named,
        computed_on: u64,
        contribution: C,
    ) -> Result<(), (Refusal, C)> {
        let version = self.version;
        let up_to = self.refused_up_to.get(&session).copied();
        let (verdict, detail) = if up_to.is_some_and(|refused| sequence <= refused) {
            (Verdict::Malformed, REFUSED.to_owned())
        } else if computed_on > version {
            let detail = format!("computed on version {computed_on}; the newest is {version}");
            (Verdict::Malformed, detail)
        } else if computed_on < version {
            let detail =
                format!("computed on version {computed_on}; this round's is {version} here");
            (Verdict::Late, detail)
        } else if self.contributions.contains_key(&session) {
            let detail =
                format!("the session has contributed to the round of version {computed_on}");
            (Verdict::Duplicate, detail)
        } else {
            self.refused.remove(&session);
            self.contributions.insert(session, (sequence, contribution));
            return Ok(());
        };
        self.refuse(session);
        Err((Refusal::new(verdict, detail), contribution))
    }

    fn refuse(&mut self, session: SessionId) {
        if !self.contributions.contains_key(&session) {
            self.refused.insert(session);
        }
    }

    /// A session leaves, and what it contributed with it.
    pub(crate) fn leave(&mut self, session: SessionId) -> Option<C> {
        self.refused.remove(&session);
        self.refused_up_to.remove(&session);
        self.contributions.remove(&session).map(|(_, it)| it)
    }

    /// What has come of a round of these gradients; `is_here` tells which sessions are open.
    pub(crate) fn gathered(
        &self,
        gradients: &[Named],
        is_here: impl Fn(SessionId) -> bool,
    ) -> Gathered {
        let does_not_come = |session: &SessionId| {
            let has_another = self.contributions.contains_key(session);
            has_another || !is_here(*session) || self.refused.contains(session)
        };
        let missing = self.missing(gradients).into_iter();
        let (gone, coming): (Vec<_>, Vec<_>) = missing.partition(does_not_come);
        match (coming.is_empty(), gone.is_empty()) {
            (true, true) => Gathered::All,
            (_, false) => Gathered::Without(gone),
            (false, true) => Gathered::Some,
        }
    }

    /// The sessions whose gradients among these have not come.
    pub(crate) fn missing(&self, gradients: &[Named]) -> Vec<SessionId> {
        let missing = gradients.iter().filter(|it| self.get(it).is_none());
        missing.map(|(session, _)| *session).collect()
    }

    /// Those of these gradients that have come, in order.
    pub(crate) fn of<'a>(&'a self, gradients: &'a [Named]) -> impl Iterator<Item = &'a C> {
        gradients.iter().filter_map(|it| self.get(it))
    }

    fn get(&self, (session, sequence): &Named) -> Option<&C> {
        let (came, contribution) = self.contributions.get(session)?;
        (came == sequence && contribution.is_gradient()).then_some(contribution)
    }

    /// The round of `gradients` is over, and has made a version if there are any, though their sessions may have
    /// left since it was summed; the lead has refused gradients up to those of `refused`. Gives what they contributed, and what is
    /// of no use any more. `is_here` tells which sessions are open: of others nothing comes that would be refused.
    pub(crate) fn end(
        &mut self,
        gradients: &[Named],
        refused: &[Named],
        is_here: impl Fn(SessionId) -> bool,
    ) -> Ended<C> {
        let came: Vec<_> = gradients
            .iter()
            .filter(|it| self.get(it).is_some())
            .collect();
        let summed: Vec<_> = came.into_iter().filter_map(|it| self.take(it.0)).collect();
        for &(session, sequence) in refused {
            let known = self.refused_up_to.entry(session).or_default();
            *known = sequence.max(*known);
        }
        self.refused_up_to.retain(|session, _| is_here(*session));
        let is_refused = |(session, sequence): &&Named| {
            let came = self.contributions.get(session);
            came.is_some_and(|(came, _)| came <= sequence)
        };
        let refused: Vec<_> = refused.iter().filter(is_refused).copied().collect();
        let refused = refused.into_iter();
        let refused = refused
            .filter_map(|(session, _)| self.take(session))
            .collect();
        let mut late = Vec::new();
        if !gradients.is_empty() {
            self.version += 1;
            let rest = std::mem::take(&mut self.contributions);
            late = rest.into_values().map(|(_, it)| it).collect();
            self.refused.clear();
        }
        Ended {
            summed,
            refused,
            late,
        }
    }

    fn take(&mut self, session: SessionId) -> Option<C> {
        self.contributions.remove(&session).map(|(_, it)| it)
    }
}

/// What sessions contributed to a round that is over.
#[derive(Debug)]
pub(crate) struct Ended<C> {
    pub(crate) summed: Vec<C>,
    /// By the lead.
    pub(crate) refused: Vec<C>,
    /// Of those that the lead did not wait for.
    pub(crate) late: Vec<C>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_GRADIENT: u64 = 0;

    fn rounds(sessions: &[SessionId]) -> ToldRounds<u64> {
        let mut rounds = ToldRounds::new(7);
        for &session in sessions {
            rounds.contribute((session, 1), 7, 10 * session).unwrap();
        }
        rounds
    }

    fn verdict(rounds: &mut ToldRounds<u64>, session: SessionId, computed_on: u64) -> Verdict {
        let refused = rounds.contribute((session, 2), computed_on, 1);
        refused.unwrap_err().0.verdict
    }

    #[test]
    fn a_round_is_gathered_once_all_have_come_and_those_do_not_come_who_have_left() {
        let mut rounds = rounds(&[1, 3]);
        let all_here = |_| true;
        let all = [(1, 1), (2, 1), (3, 1)];
        assert_eq!(rounds.gathered(&[(1, 1), (3, 1)], all_here), Gathered::All);
        assert_eq!(rounds.gathered(&all, all_here), Gathered::Some);
        let without_2 = |session| session != 2;
        let without = Gathered::Without(vec![2]);
        assert_eq!(rounds.gathered(&all, without_2), without);
        assert_eq!(rounds.leave(3), Some(30));
        assert_eq!(rounds.gathered(&[(1, 1), (3, 1)], all_here), Gathered::Some);
        assert_eq!(rounds.missing(&all), [2, 3]);
    }

    #[test]
    fn what_is_refused_does_not_come_until_something_better_does() {
        let mut rounds = rounds(&[1]);
        assert_eq!(verdict(&mut rounds, 2, 6), Verdict::Late);
        let all_here = |_| true;
        let both = [(1, 1), (2, 2)];
        let without = Gathered::Without(vec![2]);
        assert_eq!(rounds.gathered(&both, all_here), without);
        rounds.contribute((2, 2), 7, 20).unwrap();
        assert_eq!(rounds.gathered(&both, all_here), Gathered::All);
        assert_eq!(verdict(&mut rounds, 2, 6), Verdict::Late);
        let gathered = rounds.gathered(&both, all_here);
        assert_eq!(gathered, Gathered::All, "it is here");
    }

    #[test]
    fn what_is_no_gradient_is_not_summed_and_waits_for_the_rounds_end() {
        let mut rounds = rounds(&[1]);
        rounds.contribute((2, 1), 7, NO_GRADIENT).unwrap();
        let both = [(1, 1), (2, 1)];
        let without = Gathered::Without(vec![2]);
        assert_eq!(rounds.gathered(&both, |_| true), without);
        assert_eq!(rounds.of(&both).copied().collect::<Vec<_>>(), [10]);
        assert!(rounds.end(&[], &[], |_| true).refused.is_empty());
        let ended = rounds.end(&[(1, 1)], &[(2, 1)], |_| true);
        assert_eq!((ended.summed, ended.refused), (vec![10], vec![NO_GRADIENT]));
    }

    #[test]
    fn another_gradient_of_a_session_is_not_taken_for_that_which_the_lead_has() {
        let mut rounds = rounds(&[1, 2]);
        let both = [(1, 1), (2, 2)];
        let without = Gathered::Without(vec![2]);
        assert_eq!(rounds.gathered(&both, |_| true), without);
        assert_eq!(rounds.of(&both).copied().collect::<Vec<_>>(), [10]);
        let ended = rounds.end(&both, &[], |_| true);
        assert_eq!((ended.summed, ended.late), (vec![10], vec![20]));
    }

    #[test]
    fn what_does_not_belong_to_the_round_is_refused() {
        let mut rounds = rounds(&[1]);
        assert_eq!(verdict(&mut rounds, 1, 7), Verdict::Duplicate);
        assert_eq!(verdict(&mut rounds, 2, 6), Verdict::Late);
        assert_eq!(verdict(&mut rounds, 2, 8), Verdict::Malformed);
        let without = Gathered::Without(vec![2]);
        assert_eq!(rounds.gathered(&[(1, 1), (2, 2)], |_| true), without);
    }

    #[test]
    fn a_round_ends_in_order_and_what_it_is_not_of_is_late() {
        let mut rounds = rounds(&[4, 2, 3, 1]);
        let values: Vec<_> = rounds.of(&[(1, 1), (2, 1)]).copied().collect();
        assert_eq!(values, [10, 20]);
        let ended = rounds.end(&[(1, 1), (2, 1)], &[(3, 1)], |_| true);
        assert_eq!(ended.summed, [10, 20]);
        assert_eq!((ended.refused, ended.late), (vec![30], vec![40]));
        assert_eq!(verdict(&mut rounds, 1, 7), Verdict::Late);
        rounds.contribute((2, 2), 8, 1).unwrap();
    }

    #[test]
    fn a_round_makes_its_version_although_all_have_left_since_it_was_summed() {
        let mut rounds = rounds(&[1]);
        rounds.leave(1);
        assert!(rounds.end(&[(1, 1)], &[], |_| true).summed.is_empty());
        assert_eq!(verdict(&mut rounds, 2, 7), Verdict::Late);
        rounds.contribute((2, 3), 8, 20).unwrap();
    }

    #[test]
    fn a_round_of_nothing_makes_no_version() {
        let mut rounds = rounds(&[1, 2]);
        let ended = rounds.end(&[], &[(1, 1)], |_| true);
        assert_eq!(ended.refused, [10]);
        assert!(ended.summed.is_empty() && ended.late.is_empty());
        rounds.contribute((1, 2), 7, 11).unwrap();
        let gathered = rounds.gathered(&[(1, 2), (2, 1)], |_| true);
        assert_eq!(gathered, Gathered::All);
    }

    #[test]
    fn what_the_lead_has_refused_is_refused_when_it_comes_and_what_follows_is_not() {
        let mut rounds = rounds(&[]);
        rounds.end(&[], &[(1, 2)], |_| true);
        assert_eq!(verdict(&mut rounds, 1, 7), Verdict::Malformed);
        rounds.contribute((1, 3), 7, 1).unwrap();
        let ended = rounds.end(&[], &[(1, 2)], |_| true);
        assert!(ended.refused.is_empty(), "it is another one");
    }

    #[test]
    fn of_those_who_have_left_nothing_is_kept() {
        let mut rounds = rounds(&[1]);
        rounds.end(&[], &[(1, 5), (2, 1)], |session| session == 1);
        assert_eq!(verdict(&mut rounds, 1, 7), Verdict::Malformed);
        assert_eq!(rounds.refused_up_to.len(), 1);
        rounds.end(&[], &[], |_| false);
        assert!(rounds.refused_up_to.is_empty());
    }
}
