//! Who is still to be told how the run ended.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use troop_common::role::Role;

/// Names are the peers' own choice; more of those who are lost are not remembered.
const MOST_LOST: usize = 4_096;

/// Somebody whom the end of the run concerns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Member {
    /// A worker, by its role, its name, which others may share, and its life.
    Worker(Role, String, u64),
    /// A replay, by its index.
    Replay(usize),
    /// A shard, by its index.
    Shard(usize),
}

/// Everybody who has come to a run, and has neither said goodbye nor heard how it ended. Those whose connection is lost may
/// call again.
#[derive(Debug, Default)]
pub(crate) struct Audience {
    members: BTreeMap<Member, Seats>,
}

/// Those that are called alike.
#[derive(Debug, Default)]
struct Seats {
    present: usize,
    /// When each connection was lost.
    lost: VecDeque<Duration>,
}

impl Audience {
    /// Somebody has come, maybe again.
    pub(crate) fn came(&mut self, member: Member) {
        let seats = self.members.entry(member).or_default();
        seats.lost.pop_front();
        seats.present += 1;
    }

    /// Somebody has gone that had said goodbye, or had been told.
    pub(crate) fn left(&mut self, member: &Member) {
        self.change(member, |seats| {
            seats.present = seats.present.saturating_sub(1);
        });
    }

    /// Somebody's connection was lost at `now`. Those that were lost longer ago than `patience` have given up.
    pub(crate) fn lost(&mut self, member: &Member, now: Duration, patience: Duration) {
        self.forget(now, patience);
        let has_room = self.missing_at(now, patience).1 < MOST_LOST;
        self.change(member, |seats| {
            seats.present = seats.present.saturating_sub(1);
            if has_room {
                seats.lost.push_back(now);
            }
        });
    }

    /// Somebody has called and been told how the run ended.
    pub(crate) fn told(&mut self, member: &Member) {
        self.change(member, |seats| {
            if seats.lost.pop_front().is_none() {
                seats.present = seats.present.saturating_sub(1);
            }
        });
    }

    /// How many have still to be told at `now`, if those that were lost longer ago than `patience` have given up.
    pub(crate) fn missing(&self, now: Duration, patience: Duration) -> usize {
        let (present, lost) = self.missing_at(now, patience);
        present + lost
    }

    /// Those that are present, and those that are lost.
    fn missing_at(&self, now: Duration, patience: Duration) -> (usize, usize) {
        let tries = |at: &&Duration| now.saturating_sub(**at) <= patience;
        self.members
            .values()
            .fold((0, 0), |(present, lost), seats| {
                let looking = seats.lost.iter().filter(tries).count();
                (present + seats.present, lost + looking)
            })
    }

    fn forget(&mut self, now: Duration, patience: Duration) {
        self.members.retain(|_, seats| {
            seats.lost.retain(|at| now.saturating_sub(*at) <= patience);
            !seats.is_empty()
        });
    }

    fn change(&mut self, member: &Member, change: impl FnOnce(&mut Seats)) {
        let Some(seats) = self.members.get_mut(member) else {
            return;
        };
        change(seats);
        if seats.is_empty() {
            self.members.remove(member);
        }
    }
}

impl Seats {
    fn is_empty(&self) -> bool {
        self.present == 0 && self.lost.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(300);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn worker() -> Member {
        Member::Worker(Role::Act, "host/0".into(), 7)
    }

    #[test]
    fn whoever_says_goodbye_is_not_missed_and_whoever_is_lost_is() {
        let mut audience = Audience::default();
        for member in [worker(), Member::Replay(0), Member::Shard(1)] {
            audience.came(member.clone());
            assert_eq!(audience.missing(at(1), PATIENCE), 1);
            audience.left(&member);
            assert_eq!(audience.missing(at(1), PATIENCE), 0);
            audience.came(member.clone());
            audience.lost(&member, at(1), PATIENCE);
            assert_eq!(audience.missing(at(2), PATIENCE), 1);
            audience.told(&member);
            assert_eq!(audience.missing(at(2), PATIENCE), 0);
        }
    }

    #[test]
    fn whoever_comes_back_is_one_and_whoever_stays_away_gives_up() {
        let mut audience = Audience::default();
        audience.came(worker());
        audience.lost(&worker(), at(1), PATIENCE);
        audience.came(worker());
        assert_eq!(audience.missing(at(2), PATIENCE), 1);
        audience.lost(&worker(), at(2), PATIENCE);
        assert_eq!(audience.missing(at(302), PATIENCE), 1);
        assert_eq!(audience.missing(at(303), PATIENCE), 0);
    }

    #[test]
    fn another_of_the_same_name_is_another() {
        let mut audience = Audience::default();
        audience.came(worker());
        audience.lost(&worker(), at(1), PATIENCE);
        let another = Member::Worker(Role::Act, "host/0".into(), 8);
        audience.came(another.clone());
        assert_eq!(audience.missing(at(2), PATIENCE), 2);
        audience.left(&another);
        assert_eq!(audience.missing(at(2), PATIENCE), 1);
    }

    #[test]
    fn those_that_are_called_alike_are_counted_apart() {
        let mut audience = Audience::default();
        audience.came(worker());
        audience.came(worker());
        audience.lost(&worker(), at(1), PATIENCE);
        assert_eq!(audience.missing(at(1), PATIENCE), 2);
        // The one that was lost calls first.
        audience.told(&worker());
        audience.left(&worker());
        assert_eq!(audience.missing(at(1), PATIENCE), 0);
        audience.told(&worker());
        assert_eq!(audience.missing(at(1), PATIENCE), 0, "nobody knew it");
    }

    #[test]
    fn a_session_that_is_dead_unnoticed_is_told_over_another() {
        let mut audience = Audience::default();
        audience.came(worker());
        audience.told(&worker());
        assert_eq!(audience.missing(at(1), PATIENCE), 0);
        audience.lost(&worker(), at(2), PATIENCE);
        assert_eq!(audience.missing(at(2), PATIENCE), 0, "it was told");
    }

    #[test]
    fn names_without_end_take_no_memory_without_end() {
        let mut audience = Audience::default();
        for number in 0..2 * MOST_LOST {
            let member = Member::Worker(Role::Act, number.to_string(), 0);
            audience.came(member.clone());
            audience.lost(&member, at(1), PATIENCE);
        }
        assert_eq!(audience.members.len(), MOST_LOST);
        audience.came(worker());
        audience.lost(&worker(), at(1_000), PATIENCE);
        assert_eq!(audience.members.len(), 1);
    }
}
