//! `troop-learner`: a parameter server as a process of its own.

mod args;
mod bookmark;
mod run;

use std::process::ExitCode;

use clap::Parser;
use troop_common::causes::with_causes;
use troop_common::experiment::ConfigError;
use troop_common::pem::PemError;
use troop_common::process::{USAGE, complain};
use troop_common::telemetry::probe;
use troop_common::token::TokenError;
use troop_learner::run_directory::RunDirectoryError;

use args::Args;

/// Frames and messages come and go by the megabyte: the system's allocator would give their pages
/// back and fault them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match args.probe {
        Some(address) => probe(address)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        None => run::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            complain(format_args!("error: {}", with_causes(error.as_ref())));
            exit_code(&error)
        }
    }
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.chain().any(|cause| {
        let directory: Option<&RunDirectoryError> = cause.downcast_ref();
        cause.is::<ConfigError>()
            || cause.is::<TokenError>()
            || cause.is::<PemError>()
            || directory.is_some_and(RunDirectoryError::is_usage)
    });
    if is_usage {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}
