//! The first layout of a run defines it; the first parameters are drawn by it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use troop_common::available_memory::available_bytes;
use troop_common::layout::Layout;
use troop_common::shard_ranges::shard_ranges;

use super::model::Model;
use super::{Beginning, ParameterServer};
use crate::answers::OpenError;
use crate::blocking;
use crate::lock::lock;
use crate::shard::memory_need::{MemoryNeed, TooLarge};

/// Parameters are drawn in place if it takes less than this, some ten milliseconds; else on a thread
/// of their own, so that they keep nobody from the runtime's.
const QUICK_WORK: u64 = 1 << 24;

/// A network that takes more is refused: about a minute of one core, and more on an older one, while
/// its workers wait. It is what 13 000 × 13 000 orthogonal weights take.
const MOST_WORK: u64 = 1 << 41;

/// Whoever opens while somebody else's parameters are drawn waits for so long, and may try again then.
const WAIT_LIMIT: Duration = Duration::from_secs(240);

impl ParameterServer {
    /// Draws the first parameters by `layout`, if nobody has yet, without keeping the runtime's
    /// threads busy. Sessions that come meanwhile wait for each other here. If the caller gives up,
    /// or the learner closes, drawing ends.
    ///
    /// # Errors
    /// If there is no memory for such a network, drawing it would take too long, or the learner
    /// closes.
    pub async fn prepare(&self, layout: &Layout) -> Result<(), OpenError> {
        if self.model.get().is_some() {
            return Ok(());
        }
        let turn = tokio::select! {
            biased;
            turn = timeout(WAIT_LIMIT, self.drawing.lock()) => turn,
            () = self.ledger.life().closed() => return Err(self.closed_error()),
        };
        let _turn = turn.map_err(|_| OpenError::TimedOut(WAIT_LIMIT.as_secs()))?;
        if self.model.get().is_some() {
            return Ok(());
        }
        self.refuse_implausible(layout)?;
        let parameters = self.draw_elsewhere(layout).await?;
        blocking::run(layout.len(), || {
            let _making = lock(&self.making);
            if self.model.get().is_none() {
                self.begin_with(layout.clone(), parameters);
            }
        });
        Ok(())
    }

    /// The run's model. If there is none yet its parameters are drawn here and now.
    pub(super) fn model_or_make(&self, layout: Layout) -> Result<&Model, OpenError> {
        let _making = lock(&self.making);
        if let Some(model) = self.model.get() {
            return Ok(model);
        }
        self.refuse_implausible(&layout)?;
        let wanted = || self.ledger.life().is_running();
        let drawn = layout.initialize_range(self.range(&layout)?, self.seed(), &wanted);
        let parameters = drawn.ok_or_else(|| self.closed_error())?;
        Ok(self.begin_with(layout, parameters))
    }

    fn begin_with(&self, layout: Layout, parameters: Vec<f32>) -> &Model {
        self.make_model(Beginning {
            layout,
            parameters,
            optimizer: Vec::new(),
            version: 0,
            target: None,
        })
    }

    /// Asked before anything is allocated: a message of a few bytes can ask for gigabytes.
    fn refuse_implausible(&self, layout: &Layout) -> Result<(), OpenError> {
        self.range(layout)?;
        if layout.drawing_work() > MOST_WORK {
            return Err(OpenError::TooLong {
                elements: layout.len() as u64,
            });
        }
        let need = MemoryNeed::new(&self.experiment, layout);
        need.check(available_bytes())
            .map_err(|error| no_memory(&error))
    }

    async fn draw_elsewhere(&self, layout: &Layout) -> Result<Vec<f32>, OpenError> {
        let (seed, range) = (self.seed(), self.range(layout)?);
        if layout.drawing_work() <= QUICK_WORK {
            let drawn = layout.initialize_range(range, seed, &|| true);
            return drawn.ok_or_else(|| self.closed_error());
        }
        let elements = range.len();
        tracing::info!(elements, "drawing the first parameters");
        let began = Instant::now();
        // Dropped with this future: if nobody waits for the parameters they are not drawn.
        let waited_for = WaitedFor::default();
        let (layout, given_up) = (layout.clone(), Arc::clone(&waited_for.given_up));
        let drawing = spawn_blocking(move || {
            layout.initialize_range(range, seed, &|| !given_up.load(Ordering::Relaxed))
        });
        let drawn = tokio::select! {
            biased;
            drawn = drawing => drawn.ok().flatten(),
            () = self.ledger.life().closed() => None,
        };
        let seconds = began.elapsed().as_secs_f64();
        tracing::info!(elements, seconds, drawn = drawn.is_some(), "drawing ended");
        drawn.ok_or_else(|| self.closed_error())
    }

    /// The elements of the flat vector that are held here.
    pub(super) fn range(&self, layout: &Layout) -> Result<Range<usize>, OpenError> {
        let ranges = shard_ranges(layout.len(), self.shards())?;
        Ok(ranges[self.shard].clone())
    }

    fn seed(&self) -> u64 {
        self.experiment.experiment.seed
    }

    fn closed_error(&self) -> OpenError {
        let reason = self.ledger.life().closed_because();
        let reason = reason.unwrap_or_else(|| "the first parameters could not be drawn".into());
        OpenError::Closed(reason)
    }
}

fn no_memory(error: &TooLarge) -> OpenError {
    OpenError::NoMemory {
        elements: error.elements,
        needed_bytes: error.needed_bytes,
        available_bytes: error.available_bytes,
    }
}

/// Something that is given up when nobody waits for it any more: when this is dropped.
#[derive(Default)]
struct WaitedFor {
    given_up: Arc<AtomicBool>,
}

impl Drop for WaitedFor {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}
