//! The files of a run: what is written while it goes on, and read when it goes on again.

pub(crate) mod atomic_file;
pub mod checkpoint;
pub(crate) mod checkpoint_clock;
pub(crate) mod checkpoint_health;
pub mod checkpoints;
pub(crate) mod event_log;
pub(crate) mod experiment_file;
pub mod history;
pub(crate) mod moments_file;
pub(crate) mod point_clock;
pub mod run_directory;
pub mod run_keeper;
pub mod summary;
pub(crate) mod tensorboard;
