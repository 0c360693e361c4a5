use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// Why this process could not become another program.
#[derive(Debug, thiserror::Error)]
pub enum NoProgram {
    /// There is none of that name.
    #[error(
        "found no `{0}` beside this program or in PATH; build it, e.g. with `cargo build --release --workspace`"
    )]
    Missing(&'static str),
    /// It is there and does not start.
    #[error("cannot start {0}: {1}")]
    Broken(&'static str, #[source] io::Error),
}

/// Makes this process another program of Troop's: the one beside it, else whatever the system finds by its name. It
/// returns only if that fails, and says why.
pub fn become_program(name: &'static str, arguments: &[OsString]) -> NoProgram {
    let error = Command::new(beside(name)).args(arguments).exec();
    match error.kind() {
        ErrorKind::NotFound => NoProgram::Missing(name),
        _ => NoProgram::Broken(name, error),
    }
}

fn beside(name: &str) -> PathBuf {
    let path = std::env::current_exe().map(|program| program.with_file_name(name));
    let path = path.ok().filter(|path| path.is_file());
    path.unwrap_or_else(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named() {
        let error = become_program("troop-nothing", &[]);
        assert!(error.to_string().contains("no `troop-nothing`"), "{error}");
    }
}
