//! The newest items of a table, by number.

/// Items with numbers that only grow. Number `n` is kept at `n mod capacity`; it begins without an item, which
/// comes when it is complete, or never.
#[derive(Debug)]
pub(crate) struct Items<T> {
    slots: Vec<Option<T>>,
    states: Vec<State>,
    capacity: usize,
    /// What is before it is gone.
    first: u64,
    next: u64,
    held: usize,
}

/// Where a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its item is not complete.
    Open,
    /// Its item was never drawn.
    Undrawn,
    Drawn,
    Gone,
}

impl<T: Copy> Items<T> {
    /// Room for `capacity` numbers.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            states: Vec::with_capacity(capacity),
            capacity,
            first: 0,
            next: 0,
            held: 0,
        }
    }

    /// Bytes for `capacity` items.
    pub(crate) fn bytes(capacity: usize) -> u64 {
        (capacity * (size_of::<Option<T>>() + size_of::<State>())) as u64
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        Self::bytes(self.slots.len())
    }

    /// Items that are complete and there.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// The numbers that are not gone.
    pub(crate) fn numbers(&self) -> std::ops::Range<u64> {
        self.first..self.next
    }

    /// Behind the last of the first `numbers` whose items all are `chosen`; numbers without an item are passed over.
    pub(crate) fn end_of_first(
        &self,
        numbers: std::ops::Range<u64>,
        chosen: impl Fn(u64, T) -> bool,
    ) -> u64 {
        let mut end = numbers.start;
        for number in numbers {
            match self.get(number) {
                Some(item) if chosen(number, item) => end = number + 1,
                Some(_) => break,
                None => {}
            }
        }
        end
    }

    /// Whether no number can begin before the oldest one goes.
    pub(crate) fn is_full(&self) -> bool {
        self.next - self.first == self.capacity as u64
    }

    /// How many there may be.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Where a number is kept.
    pub(crate) fn slot(&self, number: u64) -> usize {
        (number % self.capacity as u64) as usize
    }

    /// The number that is kept in a slot, of those that are not gone.
    pub(crate) fn number_at(&self, slot: usize) -> u64 {
        let capacity = self.capacity as u64;
        let behind = (slot as u64 + capacity - self.first % capacity) % capacity;
        self.first + behind
    }

    /// The next number begins, without an item.
    ///
    /// # Panics
    /// If the oldest one is still in its place.
    pub(crate) fn begin(&mut self) -> u64 {
        assert!(!self.is_full(), "room for a number");
        let (number, slot) = (self.next, self.slot(self.next));
        if slot == self.slots.len() {
            self.slots.push(None);
            self.states.push(State::Open);
        }
        self.states[slot] = State::Open;
        self.next += 1;
        number
    }

    /// The item of a number that has begun, and where it is kept; none if that number is gone.
    pub(crate) fn fill(&mut self, number: u64, item: T) -> Option<usize> {
        let slot = self.slot(number);
        let open = self.numbers().contains(&number) && self.states[slot] == State::Open;
        open.then(|| {
            self.slots[slot] = Some(item);
            self.states[slot] = State::Undrawn;
            self.held += 1;
            slot
        })
    }

    /// The item of a number, if it is there.
    pub(crate) fn get(&self, number: u64) -> Option<T> {
        let there = self.numbers().contains(&number);
        there.then(|| self.slots[self.slot(number)]).flatten()
    }

    /// Takes note that an item was drawn.
    pub(crate) fn mark_drawn(&mut self, number: u64) {
        let slot = self.slot(number);
        if self.states[slot] == State::Undrawn {
            self.states[slot] = State::Drawn;
        }
    }

    /// A number goes, and with it its item: whether that was drawn, if there was one.
    pub(crate) fn remove(&mut self, number: u64) -> Option<bool> {
        if !self.numbers().contains(&number) {
            return None;
        }
        let slot = self.slot(number);
        let state = std::mem::replace(&mut self.states[slot], State::Gone);
        let item = self.slots[slot].take();
        self.held -= usize::from(item.is_some());
        while self.first < self.next && self.states[self.slot(self.first)] == State::Gone {
            self.first += 1;
        }
        item.map(|_| state == State::Drawn)
    }

    /// What is in each slot.
    #[cfg(test)]
    pub(crate) fn slots(&self) -> &[Option<T>] {
        &self.slots
    }
}
