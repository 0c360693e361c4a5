//! Troop's learner: a parameter server that admits gradients, applies each as soon as it comes,
//! and publishes weights.
//!
//! **Architecture Invariant:** this crate never links libtorch; it sees flat vectors and layouts only.
//! What decides (admission, schedules, clocks, the optimiser's step) does no I/O.

mod answers;
mod blocking;
mod cut;
mod ledger;
mod life_clock;
mod lock;
pub mod metrics;
mod optimizer;
mod parameter_server;
mod policy;
mod run_files;
pub mod service;
mod shard;
mod web;

pub use answers::{
    AttachError, Attachment, JoinError, Joined, OpenError, Outcome, Phase, ReplayIntroduction,
    ReplayMissing, ReplayView, ResumeError, SessionId, SessionView, ShardIntroduction,
    ShardMissing, ShardRefused, Verdict, WorkerIntroduction,
};
pub use cut::CutFailed;
pub use ledger::{Evaluation, ProgressView, learning};
pub use parameter_server::ParameterServer;
pub use run_files::{checkpoint, checkpoints, history, run_directory, run_keeper, summary};
pub use shard::apply;
pub use shard::budget::Room;
pub use shard::gradient::{Gradient, Origin};
pub use web::last_scrape::last_scrape;
pub use web::{dashboard, http};
