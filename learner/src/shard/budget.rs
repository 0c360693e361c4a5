//! How many gradients may be on their way at once.

use std::sync::Arc;

use prometheus::IntGauge;
use tokio::sync::Semaphore;

/// Room for gradients of one size, `learner.bytes_in_flight` of it.
#[derive(Debug)]
pub(crate) struct Budget {
    elements: usize,
    /// Gradients that there is room for at once.
    limit: usize,
    /// Fair: who has waited longest is next.
    room: Semaphore,
    bytes_in_flight: IntGauge,
}

impl Budget {
    /// For gradients of `elements` numbers, as many at once as fit into `bytes`, but one at least.
    pub(crate) fn new(elements: usize, bytes: u64, bytes_in_flight: IntGauge) -> Self {
        let fitting = bytes / gradient_bytes(elements).max(1);
        let limit = usize::try_from(fitting)
            .unwrap_or(usize::MAX)
            .clamp(1, Semaphore::MAX_PERMITS);
        Self {
            elements,
            limit,
            room: Semaphore::new(limit),
            bytes_in_flight,
        }
    }

    /// Gradients that there is room for at once.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes of one gradient.
    pub(crate) fn gradient_bytes(&self) -> u64 {
        gradient_bytes(self.elements)
    }

    /// Room for a gradient, if there is some now and nobody has waited for longer.
    pub(crate) fn try_take(self: &Arc<Self>) -> Option<Room> {
        let permit = self.room.try_acquire().ok()?;
        permit.forget();
        Some(self.taken())
    }

    /// Room for a gradient, as soon as there is some.
    pub(crate) async fn take(self: &Arc<Self>) -> Room {
        if let Ok(permit) = self.room.acquire().await {
            permit.forget();
        }
        self.taken()
    }

    fn taken(self: &Arc<Self>) -> Room {
        self.bytes_in_flight.add(self.gradient_bytes() as i64);
        Room(Some(Arc::clone(self)))
    }
}

fn gradient_bytes(elements: usize) -> u64 {
    (elements * size_of::<f32>()) as u64
}

/// Room for one gradient; it is free again when this is dropped. The default is none at all.
#[derive(Debug, Default)]
pub struct Room(Option<Arc<Budget>>);

impl Room {
    /// Elements of the gradient.
    pub fn elements(&self) -> usize {
        self.0.as_ref().map_or(0, |budget| budget.elements)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(budget) = self.0.take() {
            budget.bytes_in_flight.sub(budget.gradient_bytes() as i64);
            budget.room.add_permits(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(bytes: u64) -> Arc<Budget> {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        Arc::new(Budget::new(4, bytes, gauge))
    }

    #[test]
    fn it_says_how_many_there_are_and_one_fits_always() {
        for (bytes, limit) in [(0, 1), (15, 1), (32, 2), (47, 2), (48, 3)] {
            let budget = budget(bytes);
            assert_eq!(budget.limit(), limit);
            let taken: Vec<_> = std::iter::from_fn(|| budget.try_take()).collect();
            assert_eq!(taken.len(), limit);
            assert_eq!(taken[0].elements(), 4);
            assert_eq!(budget.bytes_in_flight.get(), 16 * limit as i64);
            drop(taken);
            assert_eq!(budget.bytes_in_flight.get(), 0);
            assert!(budget.try_take().is_some());
        }
    }

    #[tokio::test]
    async fn those_who_wait_for_room_get_it_in_their_order() {
        let budget = budget(16);
        let held = budget.take().await;
        let (sender, mut order) = tokio::sync::mpsc::unbounded_channel();
        for number in 0..3 {
            let (budget, sender) = (Arc::clone(&budget), sender.clone());
            tokio::spawn(async move {
                let room = budget.take().await;
                sender.send(number).unwrap();
                drop(room);
            });
            // The only thread runs the task until it waits.
            tokio::task::yield_now().await;
        }
        assert!(budget.try_take().is_none());
        drop(held);
        assert!(budget.try_take().is_none(), "those who wait come first");
        for number in 0..3 {
            assert_eq!(order.recv().await, Some(number));
        }
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_takes_nothing() {
        let budget = budget(16);
        let held = budget.take().await;
        tokio::select! {
            biased;
            _ = budget.take() => unreachable!("there is no room"),
            () = std::future::ready(()) => {}
        }
        drop(held);
        assert!(budget.try_take().is_some());
    }
}
