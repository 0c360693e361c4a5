use troop_common::moments::Moments;

use super::counters::Counters;

/// What a life of a run goes on with.
#[derive(Default)]
pub(crate) struct Carried {
    pub(crate) counters: Counters,
    pub(crate) observations: Option<Moments>,
}
