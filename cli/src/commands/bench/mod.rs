//! `troop bench`: what this machine can carry.

pub(crate) mod apply;

use clap::Subcommand;

/// Measure what this machine can carry.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measure the optimisers' kernels, and several appliers at once
    Apply(apply::ApplyArgs),
}

/// Runs one measurement.
///
/// # Errors
/// As the measurement says.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<()> {
    match &args.what {
        What::Apply(args) => apply::run(args),
    }
}
