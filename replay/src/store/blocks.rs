//! A ring of equally large items in memory that is taken as it fills.

use std::sync::atomic::{AtomicU64, Ordering};

/// Items are kept in blocks of about this many bytes, so that no more than one is ever half used.
const BLOCK_BYTES: usize = 4 << 20;

/// Bytes of all blocks of this process.
static HELD: AtomicU64 = AtomicU64::new(0);

/// Bytes that the replays of this process hold at the moment.
pub(crate) fn held_bytes() -> u64 {
    HELD.load(Ordering::Relaxed)
}

/// At most `capacity` items of `item_len` bytes, written in order and then over the oldest.
#[derive(Debug)]
pub(crate) struct BlockRing {
    item_len: usize,
    capacity: usize,
    items_per_block: usize,
    blocks: Vec<Vec<u8>>,
}

impl BlockRing {
    pub(crate) fn new(item_len: usize, capacity: usize) -> Self {
        Self {
            item_len,
            capacity,
            items_per_block: (BLOCK_BYTES / item_len.max(1)).clamp(1, capacity.max(1)),
            blocks: Vec::new(),
        }
    }

    /// Slots there are.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Bytes that it holds.
    pub(crate) fn held_bytes(&self) -> u64 {
        let bytes: usize = self.blocks.iter().map(Vec::capacity).sum();
        bytes as u64
    }

    /// Fills a slot. Those before it that were not filled are zeros until they are.
    ///
    /// # Panics
    /// If the item is of another length or there is no such slot.
    pub(crate) fn write(&mut self, slot: usize, item: &[u8]) {
        assert_eq!(item.len(), self.item_len, "bytes of an item");
        assert!(slot < self.capacity, "slot {slot} of {}", self.capacity);
        let (block, start) = self.place(slot);
        while block >= self.blocks.len() {
            self.add_block();
        }
        let block = &mut self.blocks[block];
        if start >= block.len() {
            block.resize(start, 0);
            block.extend_from_slice(item);
        } else {
            block[start..start + item.len()].copy_from_slice(item);
        }
    }

    /// The item of a slot that was filled.
    pub(crate) fn read(&self, slot: usize) -> &[u8] {
        let (block, start) = self.place(slot);
        &self.blocks[block][start..start + self.item_len]
    }

    fn place(&self, slot: usize) -> (usize, usize) {
        let within = slot % self.items_per_block;
        (slot / self.items_per_block, within * self.item_len)
    }

    fn add_block(&mut self) {
        let left = self.capacity - self.blocks.len() * self.items_per_block;
        let bytes = left.min(self.items_per_block) * self.item_len;
        self.blocks.push(Vec::with_capacity(bytes));
        HELD.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

impl Drop for BlockRing {
    fn drop(&mut self) {
        HELD.fetch_sub(self.held_bytes(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_written_in_order_and_over_the_oldest() {
        let mut ring = BlockRing::new(BLOCK_BYTES / 3 + 1, 5);
        let item = |value: u8| vec![value; BLOCK_BYTES / 3 + 1];
        for round in 0..3_u8 {
            for slot in 0..5_u8 {
                ring.write(usize::from(slot), &item(10 * round + slot));
            }
            for slot in 0..5_u8 {
                assert_eq!(ring.read(usize::from(slot)), item(10 * round + slot));
            }
        }
        assert_eq!(ring.blocks.len(), 3);
        assert_eq!(ring.blocks[2].capacity(), BLOCK_BYTES / 3 + 1);
    }

    #[test]
    fn memory_is_taken_as_it_fills_and_bounded() {
        let mut ring = BlockRing::new(1 << 20, 10);
        let held = |ring: &BlockRing| ring.blocks.iter().map(Vec::capacity).sum::<usize>() >> 20;
        assert_eq!(held(&ring), 0);
        let expected = [4, 4, 4, 4, 8, 8, 8, 8, 10, 10];
        for (slot, expected) in expected.into_iter().enumerate() {
            ring.write(slot, &vec![1; 1 << 20]);
            assert_eq!(held(&ring), expected);
        }
    }
}
