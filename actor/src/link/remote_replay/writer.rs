use troop_common::experience::Segment;
use troop_replay::ReplaySettings;

use super::async_writer::AsyncReplayWriter;
use super::settings::RemoteReplaySettings;
use crate::link::closed::LinkClosed;
use crate::link::to_replay::ReplayWriter;
use tokio::runtime::Handle;

/// [`AsyncReplayWriter`] for a worker's thread, which blocks while it waits.
///
/// Dropping it lets what was sent be answered, for a short while.
pub struct RemoteReplayWriter {
    writer: AsyncReplayWriter,
    runtime: Handle,
}

impl RemoteReplayWriter {
    /// Nothing is added before it opens.
    pub fn new(settings: RemoteReplaySettings) -> Self {
        Self {
            runtime: settings.runtime.clone(),
            writer: AsyncReplayWriter::new(settings),
        }
    }
}

impl ReplayWriter for RemoteReplayWriter {
    fn open(&mut self, settings: &ReplaySettings, environments: usize) -> Result<(), LinkClosed> {
        self.runtime
            .block_on(self.writer.open(settings, environments))
    }

    fn append(&mut self, segment: &Segment) -> Result<(), LinkClosed> {
        self.runtime.block_on(self.writer.append(segment))
    }

    fn interrupted(&mut self) -> Result<(), LinkClosed> {
        self.writer.interrupted();
        Ok(())
    }
}

impl Drop for RemoteReplayWriter {
    fn drop(&mut self) {
        self.runtime.block_on(self.writer.leave());
    }
}
