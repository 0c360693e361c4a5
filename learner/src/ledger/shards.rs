//! The other shards of a run, as its lead knows them.

use std::collections::BTreeMap;

use troop_common::proto::v1;

use crate::answers::{ShardIntroduction, ShardMissing, ShardRefused};

/// Shards from 1 on, by index.
#[derive(Debug)]
pub(crate) struct Shards {
    /// Shards of the run, the lead among them.
    count: usize,
    known: BTreeMap<usize, Known>,
    attachments: u64,
    /// For whose loss this life ends.
    lost: Option<usize>,
}

#[derive(Debug)]
struct Known {
    url: String,
    life: u64,
    /// None while its connection is lost.
    attachment: Option<u64>,
    /// It has what it begins with.
    begun: bool,
    /// How many updates it was apart from the lead, when it told last.
    skew: u64,
}

impl Shards {
    /// Those of a run of `count` shards; none has been seen yet.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            count,
            known: BTreeMap::new(),
            attachments: 0,
            lost: None,
        }
    }

    /// Takes a shard into the run; gives the attachment's number. One that lost its connection comes back to its place.
    pub(crate) fn attach(&mut self, shard: &ShardIntroduction) -> Result<u64, ShardRefused> {
        let (index, count) = (shard.index, self.count);
        if !(1..count).contains(&index) {
            return Err(ShardRefused::NoPlace { index, count });
        }
        match self.known.get(&index) {
            Some(known) if known.life != shard.life && known.attachment.is_some() => {
                return Err(ShardRefused::Taken(index));
            }
            Some(known) if known.life != shard.life => return Err(ShardRefused::Lost(index)),
            _ => {}
        }
        self.attachments += 1;
        let before = self.known.get(&index);
        let known = Known {
            url: shard.url.clone(),
            life: shard.life,
            attachment: Some(self.attachments),
            begun: before.is_some_and(|before| before.begun),
            skew: 0,
        };
        self.known.insert(index, known);
        Ok(self.attachments)
    }

    /// Shards of the run, the lead among them.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// A shard has what it begins with; whether all have.
    pub(crate) fn begun(&mut self, index: usize) -> bool {
        if let Some(known) = self.known.get_mut(&index) {
            known.begun = true;
        }
        let begun = self.known.values().filter(|known| known.begun);
        begun.count() + 1 == self.count
    }

    /// An attachment has ended; whether nobody has taken its place already. With a shard that has not begun nothing is
    /// lost: anybody may take its place.
    pub(crate) fn detach(&mut self, index: usize, attachment: u64) -> bool {
        match self.known.get_mut(&index) {
            Some(known) if known.attachment == Some(attachment) => {
                known.attachment = None;
                if !known.begun {
                    self.known.remove(&index);
                }
                true
            }
            _ => false,
        }
    }

    /// Whether a shard has a connection.
    pub(crate) fn is_there(&self, index: usize) -> bool {
        let known = self.known.get(&index);
        known.is_some_and(|known| known.attachment.is_some())
    }

    /// Whether a shard is still without a connection since its `attachment` has ended.
    pub(crate) fn is_away(&self, index: usize) -> bool {
        let known = self.known.get(&index);
        known.is_some_and(|known| known.attachment.is_none())
    }

    /// This life ends because a shard is gone.
    pub(crate) fn lose(&mut self, index: usize) {
        self.lost.get_or_insert(index);
    }

    /// The shard for whose loss this life ends.
    pub(crate) fn lost(&self) -> Option<usize> {
        self.lost
    }

    /// A shard is at version `found` while the lead is at `own`; gives how far apart any of them is from the lead, in
    /// updates.
    pub(crate) fn skew(&mut self, index: usize, found: u64, own: u64) -> u64 {
        if let Some(known) = self.known.get_mut(&index) {
            known.skew = found.abs_diff(own);
        }
        let skews = self.known.values().map(|known| known.skew);
        skews.max().unwrap_or_default()
    }

    /// Where they are, once all have begun; none of a run of one.
    ///
    /// # Errors
    /// The first that is not there.
    pub(crate) fn places(&self) -> Result<Option<v1::Shards>, ShardMissing> {
        if self.count == 1 {
            return Ok(None);
        }
        let place = |index| {
            let known = self.known.get(&index);
            let there = known.filter(|known| known.begun && known.attachment.is_some());
            let there = there.ok_or(ShardMissing {
                index,
                count: self.count,
            })?;
            Ok(v1::ShardPlace {
                url: there.url.clone(),
            })
        };
        let places = (1..self.count).map(place).collect::<Result<_, _>>()?;
        Ok(Some(v1::Shards { places }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(index: usize, life: u64) -> ShardIntroduction {
        ShardIntroduction {
            url: format!("http://shard-{index}"),
            index,
            life,
        }
    }

    #[test]
    fn workers_are_told_once_all_are_there() {
        assert_eq!(Shards::new(1).places(), Ok(None));
        let mut shards = Shards::new(3);
        shards.attach(&shard(2, 7)).unwrap();
        let missing = ShardMissing { index: 1, count: 3 };
        assert_eq!(shards.places(), Err(missing));
        shards.attach(&shard(1, 8)).unwrap();
        assert!(!shards.begun(2), "shard 1 has not");
        assert_eq!(shards.places(), Err(missing));
        assert!(shards.begun(1));
        let places = shards.places().unwrap().unwrap().places;
        let urls: Vec<_> = places.into_iter().map(|place| place.url).collect();
        assert_eq!(urls, ["http://shard-1", "http://shard-2"]);
    }

    #[test]
    fn a_shard_comes_back_to_its_place_and_another_in_its_place_has_lost_its_parameters() {
        let mut shards = Shards::new(2);
        let first = shards.attach(&shard(1, 7)).unwrap();
        assert!(shards.begun(1));
        assert_eq!(shards.attach(&shard(1, 8)), Err(ShardRefused::Taken(1)));
        // The lead has not noticed that the connection is lost.
        let second = shards.attach(&shard(1, 7)).unwrap();
        assert!(!shards.detach(1, first), "it is there again");
        assert!(shards.detach(1, second) && shards.is_away(1));
        assert!(shards.places().is_err());
        assert_eq!(shards.attach(&shard(1, 8)), Err(ShardRefused::Lost(1)));
        shards.attach(&shard(1, 7)).unwrap();
        assert!(!shards.is_away(1));
    }

    #[test]
    fn anybody_takes_the_place_of_one_that_has_not_begun() {
        let mut shards = Shards::new(3);
        let first = shards.attach(&shard(1, 7)).unwrap();
        assert!(shards.detach(1, first) && !shards.is_away(1));
        let second = shards.attach(&shard(1, 8)).unwrap();
        assert!(!shards.begun(1), "shard 2 has not");
        assert!(shards.detach(1, second) && shards.is_away(1));
        shards.attach(&shard(2, 9)).unwrap();
        assert!(shards.begun(2), "all others have");
    }

    #[test]
    fn skew_is_that_of_the_shard_which_is_farthest_from_the_lead() {
        let mut shards = Shards::new(3);
        for index in [1, 2] {
            shards.attach(&shard(index, 7)).unwrap();
        }
        assert_eq!(shards.skew(1, 5, 9), 4);
        assert_eq!(shards.skew(2, 10, 9), 4);
        assert_eq!(shards.skew(1, 9, 9), 1);
    }

    #[test]
    fn only_those_that_the_run_has_attach() {
        for index in [0, 2] {
            let refused = Shards::new(2).attach(&shard(index, 7)).unwrap_err();
            assert_eq!(refused, ShardRefused::NoPlace { index, count: 2 });
        }
    }
}
