//! What a run has done: sessions, counters, schedules, and what happened.

pub(crate) mod counters;
pub(crate) mod journal;
pub mod learning;
pub(crate) mod observations;
pub(crate) mod plausibility;
pub(crate) mod progress;
pub(crate) mod recorder;
pub(crate) mod schedule;
pub(crate) mod session;
pub(crate) mod staleness;
