//! Whether a network fits into the machine's memory, asked before anything of it is allocated.

use troop_common::experiment::{Experiment, StalenessPolicy};
use troop_common::layout::Layout;

use crate::optimizer::kept_names;

/// What a network may take of the memory that is available: the rest is for sessions and files.
const SHARE: f64 = 0.9;

/// A network that needs less than this is let in whatever is left: it would not be what a machine
/// without memory dies of.
const SMALL_BYTES: u64 = 16 << 20;

/// Publishes that are in memory at once: one is read, one is sent, one is made.
const PUBLISHES: u64 = 3;

/// What a learner keeps of a network, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryNeed {
    /// Elements of the parameter vector.
    elements: u64,
    /// Vectors of that length.
    vectors: u64,
    /// Beside them, while they are drawn.
    drawing_bytes: u64,
}

/// A network that the machine has no memory for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) elements: u64,
    pub(crate) needed_bytes: u64,
    pub(crate) available_bytes: u64,
}

impl MemoryNeed {
    /// Parameters and optimiser state, and both once more for a checkpoint; publishes, those that are
    /// kept for compensation, and the target's; a gradient.
    pub(crate) fn new(experiment: &Experiment, layout: &Layout) -> Self {
        let stepped = 1 + kept_names(experiment).len() as u64;
        let learner = &experiment.learner;
        let kept = match learner.staleness {
            StalenessPolicy::Compensate => learner.compensation_history as u64,
            _ => 0,
        };
        let target = u64::from(experiment.method.target_sync().is_some());
        Self {
            elements: layout.len().div_ceil(learner.shards) as u64,
            vectors: 2 * stepped + PUBLISHES + kept + target + 1,
            drawing_bytes: layout.drawing_bytes(),
        }
    }

    /// While the parameters are drawn there is one vector of them; the others come after that.
    fn bytes(self) -> u64 {
        let vector = self.elements * size_of::<f32>() as u64;
        let drawing = vector.saturating_add(self.drawing_bytes);
        vector.saturating_mul(self.vectors).max(drawing)
    }

    /// # Errors
    /// If it does not fit into `available_bytes`.
    pub(crate) fn check(self, available_bytes: u64) -> Result<(), TooLarge> {
        let available_bytes = (available_bytes as f64 * SHARE) as u64;
        let needed_bytes = self.bytes();
        if needed_bytes <= available_bytes.max(SMALL_BYTES) {
            return Ok(());
        }
        Err(TooLarge {
            elements: self.elements,
            needed_bytes,
            available_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::experiment::Optimizer;
    use troop_common::layout::{Initializer, TensorSpec};

    fn need(optimizer: Optimizer, staleness: StalenessPolicy) -> MemoryNeed {
        let mut experiment = Experiment::default();
        experiment.optimizer.name = optimizer;
        experiment.learner.staleness = staleness;
        experiment.learner.compensation_history = 10;
        let spec = TensorSpec {
            name: "w".into(),
            shape: vec![1 << 28],
            initializer: Initializer::Zeros,
        };
        MemoryNeed::new(&experiment, &Layout::new(vec![spec]).unwrap())
    }

    #[test]
    fn all_that_is_kept_counts() {
        let plain = need(Optimizer::Sgd, StalenessPolicy::Drop);
        assert_eq!(plain.bytes(), 6 << 30);
        let adam = need(Optimizer::Adam, StalenessPolicy::Drop);
        assert_eq!(adam.bytes(), 10 << 30);
        let compensated = need(Optimizer::Sgd, StalenessPolicy::Compensate);
        assert_eq!(compensated.bytes(), 16 << 30);
    }

    #[test]
    fn drawing_counts_where_it_takes_more() {
        let drawn = MemoryNeed {
            drawing_bytes: 100 << 30,
            ..need(Optimizer::Sgd, StalenessPolicy::Drop)
        };
        assert_eq!(drawn.bytes(), 101 << 30);
    }

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_small_is_not() {
        let large = need(Optimizer::Sgd, StalenessPolicy::Drop);
        assert_eq!(large.check(7 << 30), Ok(()));
        let refused = large.check(6 << 30).unwrap_err();
        assert_eq!((refused.elements, refused.needed_bytes), (1 << 28, 6 << 30));
        assert!(refused.available_bytes < 6 << 30);
        let small = MemoryNeed {
            elements: 1_000,
            ..large
        };
        assert_eq!(small.check(0), Ok(()));
    }
}
