use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use troop_common::proto::v1;
use troop_common::spaces::Spaces;
use troop_replay::codec::decode_drawn;
use troop_replay::{Drawn, DrawnItems, ReplaySettings};

use super::drawn_stream::hold;
use super::keys::Keys;
use super::settings::RemoteReplaySettings;
use super::shelf::{Ready, Shelf};
use crate::link::closed::LinkClosed;

/// The way of a worker that trains to the replays of other processes, for callers that are tasks themselves.
///
/// Draws are asked for before they are needed: `topology.prefetch` are always on their way, each replay's share of them.
/// A replay that is away is looked for while the others go on; what it was asked for, others are.
pub struct AsyncReplayReader {
    settings: RemoteReplaySettings,
    shelf: Arc<Shelf>,
    tasks: Vec<JoinHandle<()>>,
    keys: Keys,
    replay: Option<ReplaySettings>,
}

impl AsyncReplayReader {
    /// Connects to all replays; a task on the settings' runtime does so for each.
    pub fn new(settings: RemoteReplaySettings) -> Self {
        let replays = settings.urls.len();
        let shelf = Arc::new(Shelf::new(replays));
        let hold = |index| hold(Arc::clone(&shelf), settings.clone(), index);
        let tasks = (0..replays).map(|index| settings.runtime.spawn(hold(index)));
        Self {
            tasks: tasks.collect(),
            shelf,
            settings,
            keys: Keys::default(),
            replay: None,
        }
    }

    /// As [`ReplayReader::spaces`](crate::link::ReplayReader::spaces).
    ///
    /// # Errors
    /// As there.
    pub async fn spaces(&mut self) -> Result<Spaces, LinkClosed> {
        Ok(self.replay().await?.spaces.clone())
    }

    /// As [`ReplayReader::draw`](crate::link::ReplayReader::draw).
    ///
    /// # Errors
    /// As there.
    pub async fn draw(
        &mut self,
        items: usize,
        importance_exponent: f64,
        version: u64,
        rng: &mut ChaCha8Rng,
    ) -> Result<Drawn, LinkClosed> {
        let asked = u32::try_from(items).unwrap_or(u32::MAX);
        let mut demand = || v1::Demand {
            demand: 0,
            items: asked,
            importance_exponent,
            version,
            seed: rng.random(),
        };
        let prefetch = self.settings.prefetch.max(1);
        loop {
            let ready = self.shelf.take();
            // Those that are to come while the worker computes.
            self.shelf.ask(prefetch, &mut demand);
            let Some(ready) = ready else {
                self.check_open()?;
                self.wait().await?;
                continue;
            };
            if let Some(drawn) = self.unpack(ready, items).await? {
                return Ok(drawn);
            }
        }
    }

    /// Takes note of the TD errors of items that it gave, by their keys.
    pub fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        let mut by_life: BTreeMap<(usize, u64), v1::Priorities> = BTreeMap::new();
        for (key, error) in keys.iter().zip(td_errors) {
            if let Some((life, key)) = self.keys.owner(*key) {
                let priorities = by_life.entry(life).or_default();
                priorities.life = life.1;
                priorities.keys.push(key);
                priorities.td_errors.push(*error);
            }
        }
        for (life, priorities) in by_life {
            self.shelf.reprioritise(life, priorities);
        }
    }

    /// Waits until something has changed.
    async fn wait(&self) -> Result<(), LinkClosed> {
        tokio::select! {
            biased;
            closed = self.settings.ended() => Err(closed),
            () = self.shelf.changed() => Ok(()),
        }
    }

    /// The same for the first worker that adds something, which is not waited for for ever.
    async fn wait_for_somebody(&self, deadline: Instant) -> Result<(), LinkClosed> {
        if Instant::now() >= deadline {
            return Err(LinkClosed::Failed(format!(
                "no worker that acts has come within {} s (`actor.give_up_after_s`)",
                self.settings.actor.give_up_after_s
            )));
        }
        tokio::select! {
            biased;
            closed = self.settings.ended() => Err(closed),
            () = self.shelf.changed() => Ok(()),
            () = sleep_until(deadline) => Ok(()),
        }
    }

    async fn replay(&mut self) -> Result<&ReplaySettings, LinkClosed> {
        let give_up_after = Duration::from_secs(self.settings.actor.give_up_after_s);
        let deadline = Instant::now() + give_up_after;
        while self.replay.is_none() {
            self.replay = self.shelf.settings();
            if self.replay.is_none() {
                self.check_open()?;
                self.wait_for_somebody(deadline).await?;
            }
        }
        let none = || LinkClosed::Failed("there is no replay".into());
        self.replay.as_ref().ok_or_else(none)
    }

    fn check_open(&self) -> Result<(), LinkClosed> {
        self.shelf.closed().map_or(Ok(()), Err)
    }

    /// A draw that has come, of so many items; none if it is of another number.
    async fn unpack(&mut self, ready: Ready, items: usize) -> Result<Option<Drawn>, LinkClosed> {
        let drawn = decode_drawn(ready.bytes, self.replay().await?);
        let mut drawn = drawn.map_err(|error| LinkClosed::Failed(error.to_string()))?;
        let keys = match &mut drawn.items {
            DrawnItems::Transitions(transitions) => &mut transitions.keys,
            DrawnItems::Stretches(stretches) => &mut stretches.keys,
        };
        self.keys.mark(ready.life, keys);
        Ok((keys.len() == items).then_some(drawn))
    }
}

impl Drop for AsyncReplayReader {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}
