use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;
use troop_common::spaces::Spaces;
use troop_replay::{Drawn, ReplaySettings};

use super::closed::LinkClosed;

/// The way of a worker that acts to the replay. Calls block the worker's thread.
pub trait ReplayWriter: Send {
    /// Says what the worker will add; called once, before anything else. The first worker's replay is
    /// everybody's.
    ///
    /// # Errors
    /// If there can be no such replay, it is another than that of the others, or the run is over.
    fn open(&mut self, settings: &ReplaySettings, environments: usize) -> Result<(), LinkClosed>;

    /// Adds a segment, which goes on where the last one ended; waits while those who draw are behind.
    ///
    /// # Errors
    /// If the run is over, or the replay refuses it.
    fn append(&mut self, segment: &Segment) -> Result<(), LinkClosed>;

    /// The environments were reset: what comes next continues nothing.
    ///
    /// # Errors
    /// If the run is over.
    fn interrupted(&mut self) -> Result<(), LinkClosed>;
}

/// The way of a worker that trains to the replay. Calls block the worker's thread.
pub trait ReplayReader: Send {
    /// What the environments of those who act show and accept; waits for the first of them.
    ///
    /// # Errors
    /// If the run is over before there is one.
    fn spaces(&mut self) -> Result<Spaces, LinkClosed>;

    /// So many items, with importance weights `(N·P)^−β` over their maximum; waits for them. `version` is
    /// that of the weights that they are for.
    ///
    /// # Errors
    /// If the run is over.
    fn draw(
        &mut self,
        items: usize,
        importance_exponent: f64,
        version: u64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Drawn, LinkClosed>;

    /// Takes note of the TD errors of items that it gave, by their keys.
    fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]);
}
