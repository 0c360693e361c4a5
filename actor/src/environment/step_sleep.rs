//! Environments that take longer than they need.

use std::time::Duration;

use troop_common::experience::Actions;
use troop_common::spaces::Spaces;

use super::error::EnvironmentError;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// Sleeps in each step, so that a few cores carry many workers whose environments are slow.
pub(super) struct StepSleep {
    pub(super) inner: Box<dyn VectorEnvironment>,
    pub(super) sleep: Duration,
}

impl VectorEnvironment for StepSleep {
    fn spaces(&self) -> &Spaces {
        self.inner.spaces()
    }

    fn count(&self) -> usize {
        self.inner.count()
    }

    fn frame_skip(&self) -> u32 {
        self.inner.frame_skip()
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.inner.reset(seed)
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        std::thread::sleep(self.sleep);
        self.inner.step(actions)
    }

    fn last(&self) -> Step<'_> {
        self.inner.last()
    }
}
