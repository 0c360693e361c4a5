//! Troop's learner: a parameter server that admits gradients, applies each as soon as it comes,
//! and publishes weights.
//!
//! **Architecture Invariant:** this crate never links libtorch; it sees flat vectors and layouts only.
//! What decides (admission, schedules, clocks, the optimiser's step) does no I/O.

mod admission;
mod answers;
pub mod apply;
#[cfg(test)]
mod architectures;
mod atomic_file;
mod blocking;
mod budget;
pub mod checkpoint;
mod checkpoint_health;
pub mod checkpoints;
mod clock;
mod counters;
pub mod dashboard;
mod event_log;
mod gradient;
pub mod history;
pub mod http;
mod journal;
mod last_scrape;
pub mod learning;
mod lock;
mod memory_need;
pub mod metrics;
mod model;
mod moments_file;
mod norm;
mod observations;
mod optimizer;
mod pace;
mod parameter_server;
mod parameters;
mod plausibility;
mod policy;
mod progress;
mod publish_buffers;
mod publisher;
mod recorder;
pub mod run_directory;
pub mod run_keeper;
mod schedule;
pub mod service;
mod session;
mod staleness;
pub mod summary;
mod tensorboard;

pub use answers::{JoinError, Joined, OpenError, Outcome, Phase, ResumeError};
pub use budget::Room;
pub use gradient::{Gradient, Origin};
pub use last_scrape::last_scrape;
pub use parameter_server::ParameterServer;
pub use progress::ProgressView;
pub use session::SessionId;
