//! `troop`: train, evaluate and inspect experiments on one machine.

use std::process::ExitCode;

use clap::Parser;
use troop::CommandLine;

troop_common::use_allocator!();

fn main() -> ExitCode {
    CommandLine::parse().run()
}
