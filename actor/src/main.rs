//! `troop-actor`: workers that join a learner over the network.

mod args;
mod run;

use std::process::ExitCode;

use troop_common::causes::with_causes;
use troop_common::pem::PemError;
use troop_common::process::{USAGE, complain};
use troop_common::telemetry::probe;
use troop_common::token::TokenError;

use args::Args;

/// Frames and messages come and go by the megabyte: the system's allocator would give their pages
/// back and fault them in again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::from_command_line();
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
            let usage = error
                .chain()
                .any(|cause| cause.is::<TokenError>() || cause.is::<PemError>());
            ExitCode::from(if usage { USAGE } else { 1 })
        }
    }
}
