use std::error::Error;
use std::iter;
use std::process::ExitCode;

use super::complain;
use crate::causes::with_causes;

/// The usage or the configuration is wrong; clap uses the same.
pub const USAGE: u8 = 2;

/// The run is over and has learnt nothing, or little.
pub const NOT_LEARNT: u8 = 3;

/// What SIGINT asks for was done.
pub const INTERRUPTED: u8 = 130;

/// Gives a program's exit code for what came of it. An error is printed with its causes; its code is [`USAGE`] if one
/// of these is the user's to mend, else 1.
pub fn conclude<E>(
    outcome: Result<ExitCode, E>,
    is_usage: impl Fn(&(dyn Error + 'static)) -> bool,
) -> ExitCode
where
    E: AsRef<dyn Error + Send + Sync>,
{
    outcome.unwrap_or_else(|error| {
        let error: &(dyn Error + 'static) = error.as_ref();
        complain(format_args!("error: {}", with_causes(error)));
        let mut chain = iter::successors(Some(error), |&error| error.source());
        match chain.any(is_usage) {
            true => ExitCode::from(USAGE),
            false => ExitCode::FAILURE,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::{fmt, io};

    use super::*;

    #[test]
    fn a_cause_that_the_user_can_mend_is_a_wrong_usage() {
        let wrapped = || -> Box<dyn Error + Send + Sync> {
            Box::new(io::Error::new(io::ErrorKind::NotFound, fmt::Error))
        };
        let code =
            |is_usage: fn(&(dyn Error + 'static)) -> bool| conclude(Err(wrapped()), is_usage);
        assert_eq!(code(|cause| cause.is::<io::Error>()), ExitCode::from(USAGE));
        assert_eq!(code(|_| false), ExitCode::FAILURE);
        let well: Result<_, Box<dyn Error + Send + Sync>> = Ok(ExitCode::from(NOT_LEARNT));
        assert_eq!(conclude(well, |_| true), ExitCode::from(NOT_LEARNT));
    }
}
