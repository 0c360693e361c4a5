//! A run whose parameters are spread over several learners. Each shard's range of the vector has an element for each
//! worker's gradient, as the vector of one learner has, so that every part of a checkpoint tells what is in it.

mod cut_check;
mod holder;
mod invariants;
mod lead;
mod run;
mod scenario;
mod shard;
mod vector;
mod world;

pub(crate) use run::{run, simulate};
pub(crate) use scenario::Scenario;
