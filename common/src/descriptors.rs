//! Files and connections that a process may have open at once.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Kept back from connections: for checkpoints, logs and listeners, and for what libraries open.
pub const RESERVED: u64 = 128;

/// Raises this process's limit of open files to what the system allows it; gives the limit. Connections are
/// descriptors, and the usual limit, 1 024, is one of another time.
///
/// # Errors
/// If the system refuses.
pub fn raise_limit() -> io::Result<u64> {
    let found = getrlimit(Resource::Nofile);
    if found.current != found.maximum {
        setrlimit(
            Resource::Nofile,
            Rlimit {
                current: found.maximum,
                maximum: found.maximum,
            },
        )?;
    }
    Ok(limit())
}

/// Files that this process may have open at once.
pub fn limit() -> u64 {
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Whether an error says that there are no descriptors, or no memory for one, left.
pub fn is_exhausted(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
    let found = error.raw_os_error();
    exhausted
        .iter()
        .any(|errno| found == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_systems() {
        let raised = raise_limit().unwrap();
        assert_eq!(
            Some(raised),
            getrlimit(Resource::Nofile).maximum.or(Some(u64::MAX))
        );
        assert!(raised >= RESERVED);
    }
}
