use std::sync::Arc;

use prometheus::IntGauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What a permit stands for.
const UNIT: usize = 1 << 10;

/// Bytes that may be on their way at once, in whole KiB. What is larger than all of it has it alone. Who has waited
/// longest is next.
#[derive(Clone, Debug)]
pub(super) struct Room {
    free: Arc<Semaphore>,
    units: u32,
    taken: IntGauge,
}

/// Bytes that are on their way, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _permit: Option<OwnedSemaphorePermit>,
    bytes: i64,
    gauge: IntGauge,
}

impl Room {
    /// For so many bytes; `taken` shows how many there are.
    pub(super) fn new(bytes: usize, taken: IntGauge) -> Self {
        let units = bytes.div_ceil(UNIT);
        Self {
            free: Arc::new(Semaphore::new(units)),
            units: units as u32,
            taken,
        }
    }

    /// Room for so many bytes, as soon as there is some.
    pub(super) async fn take(&self, bytes: usize) -> Taken {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        let free = Arc::clone(&self.free);
        // Nobody closes it.
        let permit = free.acquire_many_owned(units.min(self.units)).await.ok();
        self.taken.add(bytes as i64);
        Taken {
            _permit: permit,
            bytes: bytes as i64,
            gauge: self.taken.clone(),
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.gauge.sub(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether there is room now.
    async fn has(room: &Room, bytes: usize) -> bool {
        tokio::select! {
            biased;
            _ = room.take(bytes) => true,
            () = std::future::ready(()) => false,
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_waits_and_what_never_fits_has_it_alone() {
        let gauge = IntGauge::new("bytes", "bytes").unwrap();
        let room = Room::new(4 * UNIT, gauge.clone());
        let (first, second) = (room.take(2 * UNIT).await, room.take(UNIT).await);
        assert_eq!(gauge.get(), 3 * UNIT as i64);
        assert!(!has(&room, 2 * UNIT).await);
        drop(first);
        assert!(has(&room, 2 * UNIT).await);
        assert!(!has(&room, 100 * UNIT).await);
        drop(second);
        let large = room.take(100 * UNIT).await;
        assert!(!has(&room, 1).await);
        drop(large);
        assert_eq!(gauge.get(), 0);
    }
}
