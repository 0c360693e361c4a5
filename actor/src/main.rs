//! `troop-actor`: workers that join a learner over the network.

mod args;
mod run;
mod workers;

use std::error::Error;
use std::process::ExitCode;

use troop_common::pem::PemError;
use troop_common::process::conclude;
use troop_common::telemetry::probe;
use troop_common::token::TokenError;

use args::Args;

troop_common::use_allocator!();

fn main() -> ExitCode {
    let args = Args::from_command_line();
    let outcome = match args.probe {
        Some(address) => probe(address)
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        None => run::run(&args),
    };
    conclude(outcome, is_usage)
}

/// Whether an error is the user's to mend.
fn is_usage(error: &(dyn Error + 'static)) -> bool {
    error.is::<TokenError>() || error.is::<PemError>()
}
