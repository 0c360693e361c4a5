//! A learner and its workers in one process.

mod local_link;
mod services;
mod workers;

pub use local_link::LocalLink;
pub use services::{OpenListener, Services};
pub use workers::Workers;
