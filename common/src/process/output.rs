use std::fmt::Display;
use std::io::{self, Write};

/// Prints a line. If nobody reads any more (a pipe was closed, a terminal is gone) it is dropped: that is no
/// reason to end a run.
pub fn say(line: impl Display) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Prints a line to standard error, as [`say`] does.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
