use rand_chacha::ChaCha8Rng;
use tokio::runtime::Handle;
use troop_common::spaces::Spaces;
use troop_replay::Drawn;

use super::async_reader::AsyncReplayReader;
use super::settings::RemoteReplaySettings;
use crate::link::closed::LinkClosed;
use crate::link::to_replay::ReplayReader;

/// [`AsyncReplayReader`] for a worker's thread, which blocks while it waits.
pub struct RemoteReplayReader {
    reader: AsyncReplayReader,
    runtime: Handle,
}

impl RemoteReplayReader {
    /// Connects to all replays; a task on the settings' runtime does so for each.
    pub fn new(settings: RemoteReplaySettings) -> Self {
        Self {
            runtime: settings.runtime.clone(),
            reader: AsyncReplayReader::new(settings),
        }
    }
}

impl ReplayReader for RemoteReplayReader {
    fn spaces(&mut self) -> Result<Spaces, LinkClosed> {
        self.runtime.block_on(self.reader.spaces())
    }

    fn draw(
        &mut self,
        items: usize,
        importance_exponent: f64,
        version: u64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Drawn, LinkClosed> {
        let drawn = self.reader.draw(items, importance_exponent, version, rng);
        self.runtime.block_on(drawn)
    }

    fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        self.reader.reprioritise(keys, td_errors);
    }
}
