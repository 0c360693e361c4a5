use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers of items, to be had in the order of their first steps. These do not grow together: an item may begin with an
/// observation that was stored before what other environments have shown since.
#[derive(Debug)]
pub(crate) struct OldestFirst(BinaryHeap<Reverse<(u64, u64)>>);

impl OldestFirst {
    /// Bytes of one item.
    pub(crate) const BYTES: usize = size_of::<Reverse<(u64, u64)>>();

    /// Room for `capacity` items.
    pub(crate) fn new(capacity: usize) -> Self {
        Self(BinaryHeap::with_capacity(capacity))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// An item begins with a step.
    pub(crate) fn push(&mut self, step: u64, item: u64) {
        self.0.push(Reverse((step, item)));
    }

    /// The item whose first step is the oldest.
    pub(crate) fn pop(&mut self) -> Option<u64> {
        self.0.pop().map(|oldest| oldest.0.1)
    }

    /// Takes out all items whose first step is before `step`.
    pub(crate) fn pop_before(&mut self, step: u64, mut each: impl FnMut(u64)) {
        while self.0.peek().is_some_and(|oldest| oldest.0.0 < step) {
            self.pop().into_iter().for_each(&mut each);
        }
    }
}
