//! The memory of publishes.

use std::sync::Arc;
use std::time::Duration;

/// A reader that holds a publish for longer than this has stopped reading: the others do not wait
/// for it.
const READING: Duration = Duration::from_secs(1);

/// Publishes that somebody may still read, and those that can be written again. However many read,
/// and however slowly, there are no more than a few, and one for each reader that has stopped.
pub(crate) struct PublishBuffers {
    most: usize,
    /// Each with the time at which it was published.
    buffers: Vec<(Duration, Arc<Vec<f32>>)>,
}

impl PublishBuffers {
    /// No more than `most` are in memory as long as all readers get on.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            buffers: Vec::new(),
        }
    }

    /// A buffer that nobody reads any more, or a new one where there may be one more.
    pub(crate) fn take(&mut self, elements: usize, now: Duration) -> Option<Arc<Vec<f32>>> {
        let free = |(_, buffer): &(Duration, Arc<Vec<f32>>)| Arc::strong_count(buffer) == 1;
        if let Some(index) = self.buffers.iter().position(free) {
            let (_, buffer) = self.buffers.swap_remove(index);
            // One is enough: at most one copy is made at a time.
            self.buffers.retain(|buffer| !free(buffer));
            return Some(buffer);
        }
        let newest = self.buffers.iter().map(|(at, _)| *at).max();
        let being_read = |at: &Duration| Some(*at) == newest || now < *at + READING;
        let in_use = self.buffers.iter().filter(|(at, _)| being_read(at));
        (in_use.count() < self.most).then(|| Arc::new(vec![0.0; elements]))
    }

    /// Keeps what was published at `now`.
    pub(crate) fn keep(&mut self, published: &Arc<Vec<f32>>, now: Duration) {
        self.buffers.push((now, Arc::clone(published)));
    }

    #[cfg(test)]
    pub(crate) fn in_memory(&self) -> usize {
        self.buffers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publish(buffers: &mut PublishBuffers, ms: u64) -> Option<Arc<Vec<f32>>> {
        let now = Duration::from_millis(ms);
        let buffer = buffers.take(1, now)?;
        buffers.keep(&buffer, now);
        Some(buffer)
    }

    #[test]
    fn a_publish_waits_for_memory_as_long_as_readers_get_on() {
        let mut buffers = PublishBuffers::new(2);
        let slow = publish(&mut buffers, 0).unwrap();
        let newest = publish(&mut buffers, 10).unwrap();
        assert!(publish(&mut buffers, 20).is_none());
        drop(slow);
        let next = publish(&mut buffers, 30).unwrap();
        assert!(!Arc::ptr_eq(&newest, &next));
        assert_eq!(buffers.in_memory(), 2);
    }

    #[test]
    fn each_reader_that_has_stopped_costs_its_own_and_no_more() {
        let mut buffers = PublishBuffers::new(2);
        let stopped: Vec<_> = (0..3)
            .map(|i| publish(&mut buffers, 2_000 * i).unwrap())
            .collect();
        for ms in (6_000..20_000).step_by(500) {
            assert!(publish(&mut buffers, ms).is_some(), "{ms}");
            assert!(buffers.in_memory() <= stopped.len() + 2);
        }
    }
}
