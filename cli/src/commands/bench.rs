//! `troop bench`: a program of its own, so that what only measures need is no part of this one.

use std::ffi::OsString;

use clap::Args;
use troop_common::process::become_program;

/// Measure what this machine can carry.
#[derive(Args)]
pub(crate) struct BenchArgs {
    #[arg(allow_hyphen_values = true, trailing_var_arg = true)]
    arguments: Vec<OsString>,
}

/// # Errors
/// If there is no such program; otherwise it never returns.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    Err(become_program("troop-bench", &args.arguments).into())
}
