//! What `troop` is made of: a learner and its workers in one process, and the commands on them.
//!
//! **Architecture Invariant:** no training logic lives here. The learner's and the actor's libraries train, joined by
//! [`embedded::LocalLink`].

mod command_line;
mod commands;
pub mod embedded;
mod terminal;
mod usage;

pub use command_line::CommandLine;
