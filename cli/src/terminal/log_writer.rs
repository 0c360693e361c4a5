use std::io::{self, Write};

use indicatif::ProgressBar;
use tracing_subscriber::fmt::MakeWriter;

/// Writes whole log lines above the bar.
#[derive(Clone)]
pub(crate) struct LogWriter {
    bar: ProgressBar,
}

impl LogWriter {
    /// For logs that are written while `bar` is drawn.
    pub(crate) fn around(bar: &ProgressBar) -> Self {
        Self { bar: bar.clone() }
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bar.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
