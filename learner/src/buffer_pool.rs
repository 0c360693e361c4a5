//! Memory for gradients on their way: vectors that are used again, within a budget.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use prometheus::IntGauge;
use tokio::sync::Semaphore;

use crate::lock::lock;

/// Vectors of one length. A fresh vector costs a page fault for every 4 KiB when it is first
/// written, so they are used again; and there are never more than the budget allows.
#[derive(Debug)]
pub(crate) struct BufferPool {
    elements: usize,
    /// Buffers that the budget allows at once.
    limit: usize,
    /// Fair: who has waited longest is next.
    room: Semaphore,
    free: Mutex<Vec<Vec<f32>>>,
    /// Free vectors beyond this many go back to the system.
    keep: AtomicUsize,
    bytes_in_flight: IntGauge,
}

impl BufferPool {
    /// For vectors of `elements` numbers, as many at once as fit into `budget_bytes`, but one at
    /// least.
    pub(crate) fn new(elements: usize, budget_bytes: u64, bytes_in_flight: IntGauge) -> Self {
        let fitting = budget_bytes / bytes(elements).max(1);
        let limit = usize::try_from(fitting)
            .unwrap_or(usize::MAX)
            .clamp(1, Semaphore::MAX_PERMITS);
        Self {
            elements,
            limit,
            room: Semaphore::new(limit),
            free: Mutex::default(),
            keep: AtomicUsize::new(1),
            bytes_in_flight,
        }
    }

    /// Buffers that the budget allows at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of one buffer.
    pub(crate) fn buffer_bytes(&self) -> u64 {
        bytes(self.elements)
    }

    /// A buffer, where there is room for one now and nobody has waited for longer.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<GradientBuffer> {
        let permit = self.room.try_acquire().ok()?;
        permit.forget();
        Some(self.buffer())
    }

    /// A buffer, as soon as there is room for one.
    pub(crate) async fn take(self: &Arc<Self>) -> GradientBuffer {
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
        self.buffer()
    }

    /// Keeps `buffers` free vectors at most: one for each session that may need it at once.
    pub(crate) fn keep(&self, buffers: usize) {
        self.keep.store(buffers, Ordering::Relaxed);
        lock(&self.free).truncate(buffers);
    }

    fn buffer(self: &Arc<Self>) -> GradientBuffer {
        let used = lock(&self.free).pop();
        self.bytes_in_flight.add(self.buffer_bytes() as i64);
        GradientBuffer {
            values: used.unwrap_or_else(|| vec![0.0; self.elements]),
            pool: Some(Arc::clone(self)),
        }
    }

    fn give_back(&self, values: Vec<f32>) {
        let mut free = lock(&self.free);
        if free.len() < self.keep.load(Ordering::Relaxed) {
            free.push(values);
        }
        drop(free);
        self.bytes_in_flight.sub(self.buffer_bytes() as i64);
        self.room.add_permits(1);
    }
}

fn bytes(elements: usize) -> u64 {
    (elements * size_of::<f32>()) as u64
}

/// A vector of the layout's length that one gradient is written into; it holds what the one before
/// left there. Dropping it makes room for another.
#[derive(Debug, Default)]
pub struct GradientBuffer {
    values: Vec<f32>,
    pool: Option<Arc<BufferPool>>,
}

impl GradientBuffer {
    /// Takes the values of `other` and leaves it another vector of the same length, without
    /// copying; where the lengths differ, neither changes and this is false.
    pub fn swap(&mut self, other: &mut Vec<f32>) -> bool {
        let same = self.values.len() == other.len();
        if same {
            std::mem::swap(&mut self.values, other);
        }
        same
    }
}

impl Deref for GradientBuffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values
    }
}

impl DerefMut for GradientBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

impl Drop for GradientBuffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            pool.give_back(std::mem::take(&mut self.values));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(budget_bytes: u64) -> Arc<BufferPool> {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        Arc::new(BufferPool::new(4, budget_bytes, gauge))
    }

    #[test]
    fn the_budget_says_how_many_there_are_and_one_fits_always() {
        for (budget, limit) in [(0, 1), (15, 1), (32, 2), (47, 2), (48, 3)] {
            let pool = pool(budget);
            assert_eq!(pool.limit(), limit);
            let taken: Vec<_> = std::iter::from_fn(|| pool.try_take()).collect();
            assert_eq!(taken.len(), limit);
            assert_eq!(pool.bytes_in_flight.get(), 16 * limit as i64);
            drop(taken);
            assert_eq!(pool.bytes_in_flight.get(), 0);
            assert!(pool.try_take().is_some());
        }
    }

    #[test]
    fn vectors_are_used_again_and_those_beyond_the_sessions_are_given_back() {
        let pool = pool(1 << 10);
        pool.keep(2);
        let mut first = pool.try_take().unwrap();
        first[0] = 7.0;
        let address = first.as_ptr();
        drop(first);
        let again = pool.try_take().unwrap();
        assert_eq!((again.as_ptr(), again[0]), (address, 7.0));
        drop(again);
        drop((0..5).map(|_| pool.try_take()).collect::<Vec<_>>());
        assert_eq!(lock(&pool.free).len(), 2);
        pool.keep(1);
        assert_eq!(lock(&pool.free).len(), 1);
    }

    #[tokio::test]
    async fn those_who_wait_for_room_get_it_in_their_order() {
        let pool = pool(16);
        let held = pool.take().await;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..3 {
            let (pool, sender) = (Arc::clone(&pool), sender.clone());
            tokio::spawn(async move {
                let buffer = pool.take().await;
                sender.send(number).unwrap();
                drop(buffer);
            });
            // The only thread runs the task until it waits.
            tokio::task::yield_now().await;
        }
        assert!(pool.try_take().is_none());
        drop(held);
        assert!(pool.try_take().is_none(), "those who wait come first");
        for number in 0..3 {
            assert_eq!(order.recv().await, Some(number));
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_takes_nothing() {
        let pool = pool(16);
        let held = pool.take().await;
        tokio::select! {
            biased;
            _ = pool.take() => unreachable!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert!(pool.try_take().is_some());
    }

    #[test]
    fn swapping_needs_equal_lengths() {
        let pool = pool(64);
        let mut buffer = pool.try_take().unwrap();
        let mut mine = vec![1.0, 2.0, 3.0, 4.0];
        assert!(buffer.swap(&mut mine));
        assert_eq!((&buffer[..], mine.len()), (&[1.0, 2.0, 3.0, 4.0][..], 4));
        assert!(!buffer.swap(&mut vec![1.0]));
        assert_eq!(buffer.len(), 4);
    }
}
