//! Which replays belong to the run, and what they told of themselves.

use std::time::Duration;

use troop_common::proto::v1;

use crate::answers::{Attachment, ReplayIntroduction, ReplayMissing, ReplayView};

/// The replays of a run, by index.
#[derive(Debug)]
pub(crate) struct Replays {
    slots: Vec<Slot>,
    attachments: u64,
}

#[derive(Clone, Debug, Default)]
struct Slot {
    /// Of the one that was there last, or is.
    last: Option<Known>,
    /// The attachment of the one that is there.
    attachment: Option<u64>,
}

#[derive(Clone, Debug)]
struct Known {
    url: String,
    life: u64,
    counts: Option<(v1::ReplayCounts, Duration)>,
}

impl Replays {
    /// `count` that nobody has seen yet.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            slots: vec![Slot::default(); count],
            attachments: 0,
        }
    }

    /// How many the run has.
    pub(crate) fn expected(&self) -> usize {
        self.slots.len()
    }

    /// How many are there.
    pub(crate) fn attached(&self) -> usize {
        let there = self.slots.iter().filter(|slot| slot.attachment.is_some());
        there.count()
    }

    /// Gives a replay its index; none if all are taken. One that lost its connection gets its own, although the learner may not
    /// have noticed yet; another gets that which it had, or the first that is free.
    pub(crate) fn attach(&mut self, replay: &ReplayIntroduction) -> Option<Attachment> {
        let index = self.index_for(replay)?;
        self.attachments += 1;
        let slot = &mut self.slots[index];
        let same_life = |known: &Known| known.life == replay.life;
        let counts = slot.last.take().filter(same_life);
        slot.last = Some(Known {
            url: replay.url.clone(),
            life: replay.life,
            counts: counts.and_then(|known| known.counts),
        });
        slot.attachment = Some(self.attachments);
        Some(Attachment {
            index,
            number: self.attachments,
        })
    }

    /// The index that a replay gets; none if all are taken.
    pub(crate) fn index_for(&self, replay: &ReplayIntroduction) -> Option<usize> {
        let is_its_own = |slot: &Slot| {
            let last = slot.last.as_ref();
            last.is_some_and(|known| known.life == replay.life)
        };
        let is_free = |index: &usize| {
            let slot = self.slots.get(*index);
            slot.is_some_and(|slot| slot.attachment.is_none())
        };
        let own = self.slots.iter().position(is_its_own);
        let before = || replay.index.filter(is_free);
        own.or_else(before)
            .or_else(|| (0..self.slots.len()).find(is_free))
    }

    /// Takes a replay's counts; gives those that it told before. Of one that has been replaced nothing is taken.
    pub(crate) fn count(
        &mut self,
        attachment: Attachment,
        counts: v1::ReplayCounts,
        now: Duration,
    ) -> Option<v1::ReplayCounts> {
        let slot = &mut self.slots[attachment.index];
        let is_there = slot.attachment == Some(attachment.number);
        let known = slot.last.as_mut().filter(|_| is_there)?;
        let before = known.counts.replace((counts, now));
        Some(before.map(|(counts, _)| counts).unwrap_or_default())
    }

    /// Items and bytes that those which are there hold together.
    pub(crate) fn held(&self) -> (u64, u64) {
        let there = self.slots.iter().filter(|slot| slot.attachment.is_some());
        let counts = there.filter_map(|slot| slot.last.as_ref()?.counts);
        counts.fold((0, 0), |(items, bytes), (counts, _)| {
            let items = counts.items_held.saturating_add(items);
            (items, counts.bytes_held.saturating_add(bytes))
        })
    }

    /// It is gone; whether nobody has taken its place already.
    pub(crate) fn detach(&mut self, attachment: Attachment) -> bool {
        let slot = &mut self.slots[attachment.index];
        let was_there = slot.attachment == Some(attachment.number);
        if was_there {
            slot.attachment = None;
        }
        was_there
    }

    /// The first that is not there.
    pub(crate) fn missing(&self) -> Option<ReplayMissing> {
        let index = self
            .slots
            .iter()
            .position(|slot| slot.attachment.is_none())?;
        Some(ReplayMissing {
            index,
            expected: self.slots.len(),
        })
    }

    /// Where they are, or were last; none before each has been there once.
    pub(crate) fn places(&self) -> Option<v1::Replays> {
        let place = |slot: &Slot| {
            let known = slot.last.as_ref()?;
            Some(v1::ReplayPlace {
                url: known.url.clone(),
                life: known.life,
            })
        };
        let places = self.slots.iter().map(place).collect::<Option<_>>()?;
        Some(v1::Replays { places })
    }

    /// What others are shown.
    pub(crate) fn views(&self, now: Duration) -> Vec<ReplayView> {
        let slots = self.slots.iter().enumerate();
        slots
            .filter_map(|(index, slot)| view(index, slot, now))
            .collect()
    }

    /// What others are told over the wire.
    pub(crate) fn statuses(&self, now: Duration) -> Vec<v1::ReplayStatus> {
        let slots = (0..).zip(&self.slots);
        let status = |(index, slot): (u32, &Slot)| {
            let known = slot.last.as_ref()?;
            let age = |(_, at): (_, Duration)| now.saturating_sub(at).as_secs_f64();
            Some(v1::ReplayStatus {
                index,
                url: known.url.clone(),
                attached: slot.attachment.is_some(),
                counts: known.counts.map(|(counts, _)| counts),
                seconds_since_counts: known.counts.map_or(0.0, age),
            })
        };
        slots.filter_map(status).collect()
    }
}

fn view(index: usize, slot: &Slot, now: Duration) -> Option<ReplayView> {
    let known = slot.last.as_ref()?;
    let (counts, at) = known.counts.unzip();
    let counts = counts.unwrap_or_default();
    let drawn = counts.items_drawn;
    Some(ReplayView {
        index,
        url: known.url.clone(),
        attached: slot.attachment.is_some(),
        items_held: counts.items_held,
        env_steps_inserted: counts.env_steps_inserted,
        items_drawn: drawn,
        bytes_held: counts.bytes_held,
        bytes_limit: counts.bytes_limit,
        appends_waiting: counts.appends_waiting,
        draws_waiting: counts.draws_waiting,
        mean_age_versions: (drawn > 0).then(|| counts.drawn_age_versions as f64 / drawn as f64),
        seconds_since_counts: at.map(|at| now.saturating_sub(at).as_secs_f64()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(life: u64, index: Option<usize>) -> ReplayIntroduction {
        ReplayIntroduction {
            url: format!("http://replay-{life}"),
            life,
            index,
        }
    }

    fn counts(items_drawn: u64) -> v1::ReplayCounts {
        v1::ReplayCounts {
            items_drawn,
            drawn_age_versions: 3 * items_drawn,
            items_held: 2 * items_drawn,
            bytes_held: 3 * items_drawn,
            ..v1::ReplayCounts::default()
        }
    }

    #[test]
    fn each_gets_an_index_and_keeps_it_over_a_lost_connection() {
        let mut replays = Replays::new(2);
        let index =
            |replays: &mut Replays, life, index| Some(replays.attach(&replay(life, index))?.index);
        assert_eq!(index(&mut replays, 7, None), Some(0));
        assert_eq!(replays.missing().map(|missing| missing.index), Some(1));
        assert_eq!(replays.places(), None);
        assert_eq!(index(&mut replays, 8, None), Some(1));
        assert_eq!(index(&mut replays, 9, None), None, "all are there");
        // The learner has not noticed that the connection is lost.
        assert_eq!(index(&mut replays, 7, Some(0)), Some(0));
        assert_eq!((replays.attached(), replays.missing()), (2, None));
    }

    #[test]
    fn one_that_starts_anew_takes_the_place_of_one_that_is_gone() {
        let mut replays = Replays::new(2);
        let first = replays.attach(&replay(7, None)).unwrap();
        let _second = replays.attach(&replay(8, None)).unwrap();
        assert!(replays.detach(first));
        let again = replays.attach(&replay(9, Some(1))).unwrap();
        assert_eq!(again.index, 0, "its own is taken");
        assert!(!replays.detach(first), "it was replaced");
        assert_eq!(replays.count(first, counts(1), Duration::ZERO), None);
        let urls: Vec<String> = replays
            .places()
            .unwrap()
            .places
            .into_iter()
            .map(|place| place.url)
            .collect();
        assert_eq!(urls, ["http://replay-9", "http://replay-8"]);
    }

    #[test]
    fn in_another_life_of_the_learner_it_gets_the_index_that_it_had() {
        let mut replays = Replays::new(3);
        assert_eq!(replays.attach(&replay(7, Some(2))).unwrap().index, 2);
        assert_eq!(replays.attach(&replay(8, Some(2))).unwrap().index, 0);
        assert_eq!(replays.attach(&replay(9, Some(77))).unwrap().index, 1);
    }

    #[test]
    fn counts_are_those_of_the_life_that_is_there() {
        let mut replays = Replays::new(1);
        let at = Duration::from_secs;
        let first = replays.attach(&replay(7, None)).unwrap();
        let nothing = v1::ReplayCounts::default();
        assert_eq!(replays.count(first, counts(4), at(1)), Some(nothing));
        assert_eq!(replays.count(first, counts(10), at(1)), Some(counts(4)));
        assert_eq!(replays.held(), (20, 30));
        let view = |replays: &Replays| replays.views(at(3)).remove(0);
        assert_eq!(view(&replays).mean_age_versions, Some(3.0));
        assert_eq!(view(&replays).seconds_since_counts, Some(2.0));
        replays.detach(first);
        assert_eq!(replays.held(), (0, 0));
        assert!(!view(&replays).attached);
        replays.attach(&replay(7, None)).unwrap();
        assert_eq!(view(&replays).items_drawn, 10, "it is the same one");
        replays.attach(&replay(7, None)).unwrap();
        let status = replays.statuses(at(3)).remove(0);
        assert_eq!(
            (status.counts, status.seconds_since_counts),
            (Some(counts(10)), 2.0)
        );
    }
}
