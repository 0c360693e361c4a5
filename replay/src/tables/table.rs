//! Items, and a way to draw them.

use rand_chacha::ChaCha8Rng;

use super::items::Items;
#[cfg(test)]
use super::priorities::Priorities;
use super::way::{Picked, Way};

/// The newest items of a kind, drawn in one way. An item's key is its number, which is never used twice.
#[derive(Debug)]
pub(crate) struct Table<T> {
    items: Items<T>,
    way: Way,
    evicted: Evicted,
}

/// Items that made room for others, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Evicted {
    /// Those that had been drawn.
    pub(crate) drawn: u64,
    /// Those that never were.
    pub(crate) undrawn: u64,
    /// Those that did not make room, but were too old when they were to be drawn.
    pub(crate) too_old: u64,
}

/// What became of new priorities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// Of items that are gone.
    pub(crate) gone: u64,
    /// That were no finite numbers.
    pub(crate) not_finite: u64,
}

impl<T: Copy> Table<T> {
    /// Room for `capacity` items.
    pub(crate) fn new(capacity: usize, way: Way) -> Self {
        Self {
            items: Items::new(capacity),
            way,
            evicted: Evicted::default(),
        }
    }

    /// Bytes of `capacity` items that are drawn in a way.
    pub(crate) fn bytes(capacity: usize, way: &Way) -> u64 {
        Items::<T>::bytes(capacity) + way.bytes(capacity)
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.items.held_bytes() + self.way.bytes(self.items.capacity())
    }

    /// The items.
    pub(crate) fn items(&self) -> &Items<T> {
        &self.items
    }

    /// What made room so far.
    pub(crate) fn evicted(&self) -> Evicted {
        self.evicted
    }

    /// The next number begins, without an item.
    pub(crate) fn begin(&mut self) -> u64 {
        self.items.begin()
    }

    /// The item of a number is complete, and its TD error may be known already. Whether it came in time: before
    /// the number was gone.
    pub(crate) fn enter(&mut self, number: u64, item: T, td_error: Option<f32>) -> bool {
        let slot = self.items.fill(number, item);
        if let Some(slot) = slot {
            self.way.enter(number, slot, td_error);
        }
        slot.is_some()
    }

    /// A number goes, and with it its item.
    pub(crate) fn evict(&mut self, number: u64) {
        if let Some(drawn) = self.items.remove(number) {
            self.evicted.drawn += u64::from(drawn);
            self.evicted.undrawn += u64::from(!drawn);
            self.way.leave(number, self.items.slot(number));
        }
    }

    /// Whether `count` items can be drawn.
    pub(crate) fn has(&self, count: usize) -> bool {
        self.way.has(count, &self.items)
    }

    /// Items that were acted with versions before `oldest` go, as far as they are among the first; 0 keeps all.
    pub(crate) fn drop_before(&mut self, oldest: u64, version: impl Fn(u64, T) -> u64) {
        if oldest == 0 {
            return;
        }
        let numbers = self.items.numbers();
        let end = self
            .items
            .end_of_first(numbers.clone(), |n, item| version(n, item) < oldest);
        (numbers.start..end).for_each(|number| self.drop_too_old(number));
    }

    /// [`pick`](Self::pick) of items that were acted with versions from `oldest` on; others go. None if too few are left.
    pub(crate) fn pick_from(
        &mut self,
        oldest: u64,
        version: impl Fn(u64, T) -> u64,
        (count, beta): (usize, f64),
        rng: &mut ChaCha8Rng,
    ) -> Option<Picked> {
        self.drop_before(oldest, &version);
        while self.has(count) {
            let picked = self.pick(count, beta, rng);
            let too_old = |n: &u64| {
                let item = self.items.get(*n);
                item.is_some_and(|item| version(*n, item) < oldest)
            };
            let old: Vec<u64> = picked.numbers.iter().copied().filter(too_old).collect();
            if old.is_empty() {
                return Some(picked);
            }
            old.into_iter().for_each(|number| self.drop_too_old(number));
        }
        None
    }

    fn drop_too_old(&mut self, number: u64) {
        if self.items.remove(number).is_some() {
            self.evicted.too_old += 1;
            self.way.leave(number, self.items.slot(number));
        }
    }

    /// `count` items, see [`Way::pick`].
    pub(crate) fn pick(&self, count: usize, beta: f64, rng: &mut ChaCha8Rng) -> Picked {
        self.way.pick(&self.items, count, beta, rng)
    }

    /// Items were drawn: those that may be drawn once are gone.
    pub(crate) fn note_drawn(&mut self, numbers: &[u64]) {
        self.way.note_drawn(numbers, &mut self.items);
    }

    /// Takes note of TD errors. An item that is gone stays so, and an error that is not finite changes nothing.
    pub(crate) fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) -> Noted {
        let mut noted = Noted::default();
        for (key, error) in keys.iter().zip(td_errors) {
            if self.items.get(*key).is_none() {
                noted.gone += 1;
            } else if !error.is_finite() {
                noted.not_finite += 1;
            } else if let Way::Prioritized(priorities) = &mut self.way {
                priorities.note(self.items.slot(*key), f64::from(*error));
            }
        }
        noted
    }

    /// The priorities, if it is drawn from by them.
    #[cfg(test)]
    pub(crate) fn priorities(&self) -> Option<&Priorities> {
        match &self.way {
            Way::Prioritized(priorities) => Some(priorities),
            Way::Fifo(_) | Way::Uniform => None,
        }
    }
}
