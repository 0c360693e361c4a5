//! A learner and its workers in one process.

mod evaluator;
mod evaluator_link;
mod local_link;
mod local_replay;
mod services;
mod worker;
mod workers;

pub use local_link::LocalLink;
pub use services::{OpenListener, Services};
pub use workers::Workers;
