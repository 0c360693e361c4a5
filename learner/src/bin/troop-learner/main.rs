//! `troop-learner`: a parameter server as a process of its own.

mod args;
mod bookmark;
mod cuts;
mod linger;
mod listeners;
mod run;
mod services;
mod shard;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use troop_common::experiment::ConfigError;
use troop_common::pem::PemError;
use troop_common::process::conclude;
use troop_common::telemetry::probe;
use troop_common::token::TokenError;
use troop_learner::run_directory::RunDirectoryError;

use args::Args;

troop_common::use_allocator!();

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.probe {
        Some(address) => probe(address)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        None => match args.shard {
            Some(shard) => shard::run(&args, shard),
            None => run::run(&args),
        },
    };
    conclude(outcome, is_usage)
}

/// Whether an error is the user's to mend.
fn is_usage(error: &(dyn Error + 'static)) -> bool {
    let directory: Option<&RunDirectoryError> = error.downcast_ref();
    error.is::<ConfigError>()
        || error.is::<TokenError>()
        || error.is::<PemError>()
        || directory.is_some_and(RunDirectoryError::is_usage)
}
