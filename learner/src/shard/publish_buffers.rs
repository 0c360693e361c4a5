//! The memory of publishes.

use std::sync::Arc;
use std::time::Duration;

/// If none of a publish has been read for so long, those that hold it have stopped reading: the
/// others do not wait for them.
const STOPPED: Duration = Duration::from_secs(1);

/// Publishes that somebody may still read, and those that can be written again. However many read,
/// and however slowly, there are no more than a few, and one for each reader that has stopped.
pub(crate) struct PublishBuffers {
    most: usize,
    buffers: Vec<Buffer>,
}

/// A publish in memory.
struct Buffer {
    version: u64,
    /// When it was published, or some of it was sent last.
    last_read: Duration,
    parameters: Arc<Vec<f32>>,
}

impl Buffer {
    fn is_free(&self) -> bool {
        Arc::strong_count(&self.parameters) == 1
    }
}

impl PublishBuffers {
    /// No more than `most` are in memory as long as all readers get on.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            buffers: Vec::new(),
        }
    }

    /// A buffer that nobody reads any more, or a new one if there may be one more.
    pub(crate) fn take(&mut self, elements: usize, now: Duration) -> Option<Arc<Vec<f32>>> {
        if let Some(index) = self.buffers.iter().position(Buffer::is_free) {
            let free = self.buffers.swap_remove(index);
            // One is enough: at most one copy is made at a time.
            self.buffers.retain(|buffer| !buffer.is_free());
            return Some(free.parameters);
        }
        let newest = self.buffers.iter().map(|buffer| buffer.version).max();
        let being_read = |it: &&Buffer| Some(it.version) == newest || now < it.last_read + STOPPED;
        let in_use = self.buffers.iter().filter(being_read);
        (in_use.count() < self.most).then(|| Arc::new(vec![0.0; elements]))
    }

    /// Keeps what was published at `now`.
    pub(crate) fn keep(&mut self, version: u64, parameters: &Arc<Vec<f32>>, now: Duration) {
        self.buffers.push(Buffer {
            version,
            last_read: now,
            parameters: Arc::clone(parameters),
        });
    }

    /// Notes that somebody gets on with `version`.
    pub(crate) fn being_read(&mut self, version: u64, now: Duration) {
        let mut buffers = self.buffers.iter_mut();
        if let Some(buffer) = buffers.find(|buffer| buffer.version == version) {
            buffer.last_read = now;
        }
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
        buffers.keep(ms, &buffer, now);
        Some(buffer)
    }

    #[test]
    fn a_publish_waits_for_memory_as_long_as_readers_get_on() {
        let mut buffers = PublishBuffers::new(2);
        let slow = publish(&mut buffers, 0).unwrap();
        let newest = publish(&mut buffers, 10).unwrap();
        for ms in (20..10_000).step_by(500) {
            buffers.being_read(0, Duration::from_millis(ms));
            assert!(publish(&mut buffers, ms + 400).is_none());
        }
        drop(slow);
        let next = publish(&mut buffers, 10_000).unwrap();
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
