//! Troop's learner: a parameter server that admits gradients, applies each as soon as it comes,
//! and publishes weights.
//!
//! **Architecture Invariant:** this crate never links libtorch; it sees flat vectors and layouts only.
//! What decides (admission, schedules, clocks, the optimiser's step) does no I/O.

mod admission;
pub mod checkpoint;
mod clock;
mod event_log;
mod gradient;
pub mod http;

pub mod metrics;
mod optimizer;
mod parameter_server;
mod parameters;
mod progress;

pub mod run_directory;
pub mod run_keeper;
mod schedule;
pub mod service;
mod session;
mod staleness;
pub mod summary;

pub use gradient::Gradient;
pub use parameter_server::{
    JoinError, Joined, OpenError, Outcome, ParameterServer, Phase, SessionId,
};
pub use progress::ProgressView;
