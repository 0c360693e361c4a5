//! What every program of Troop does alike: its allocator, exit codes, signals, threads, what it prints.

mod address_file;
mod allocator;
mod cores;
mod exit;
mod output;
mod programs;
mod signals;

pub use address_file::AddressFile;
pub use allocator::Allocator;
pub use cores::{cores, worker_count};
pub use exit::{INTERRUPTED, NOT_LEARNT, USAGE, conclude};
pub use output::{complain, say};
pub use programs::{NoProgram, become_program};
pub use signals::{Signals, Wish, die};
