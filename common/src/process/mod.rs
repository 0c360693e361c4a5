//! What every program of Troop does alike: exit codes, signals, what it prints.

mod output;
mod signals;

pub use output::{complain, say};
pub use signals::{Signals, Wish, die};

/// The usage or the configuration is wrong; clap uses the same.
pub const USAGE: u8 = 2;

/// What SIGINT asks for was done.
pub const INTERRUPTED: u8 = 130;
