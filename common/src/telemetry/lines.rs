//! Log lines that nobody can forge.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

/// Begins what follows the first line of an event.
const CONTINUED: &[u8] = b"\n    | ";

/// Begins what a terminal obeys.
const ESCAPE: &u8 = &0x1b;

/// Writes what can be written: if nobody reads the log any more (a pipe was closed, a collector has ended) it is
/// dropped, and the process goes on.
#[derive(Clone, Debug)]
pub(super) struct Dropping<W>(pub(super) W);

impl<'writer, W: MakeWriter<'writer>> MakeWriter<'writer> for Dropping<W> {
    type Writer = Droppable<W::Writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        Droppable(self.0.make_writer())
    }
}

/// Takes everything.
#[derive(Debug)]
pub(super) struct Droppable<W>(W);

impl<W: Write> Write for Droppable<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let _ = self.0.flush();
        Ok(())
    }
}

/// Writes each event as one line and what belongs to it: a text with line breaks in it, an environment's
/// traceback say, cannot pass for events of its own, for no line of it begins as an event does.
#[derive(Clone, Debug)]
pub(super) struct Lines<W>(pub(super) W);

impl<'writer, W: MakeWriter<'writer>> MakeWriter<'writer> for Lines<W> {
    type Writer = OneEvent<W::Writer>;

    fn make_writer(&'writer self) -> Self::Writer {
        OneEvent(self.0.make_writer())
    }
}

/// Takes one event in one piece, as the formatter gives it.
#[derive(Debug)]
pub(super) struct OneEvent<W>(W);

impl<W: Write> Write for OneEvent<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.0.write_all(&one_event(event))?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Whether what follows an escape is a color, as the formatter itself gives a terminal, and nothing else.
fn is_color(following: &[u8]) -> bool {
    let Some(parameters) = following.strip_prefix(b"[") else {
        return false;
    };
    let end = parameters
        .iter()
        .find(|byte| !byte.is_ascii_digit() && **byte != b';');
    end == Some(&b'm')
}

fn one_event(event: &[u8]) -> Vec<u8> {
    let text = event.strip_suffix(b"\n").unwrap_or(event);
    let mut line = Vec::with_capacity(event.len());
    for (at, byte) in text.iter().enumerate() {
        match byte {
            ESCAPE if !is_color(&text[at + 1..]) => line.extend_from_slice(b"\\x1b"),
            b'\n' => line.extend_from_slice(CONTINUED),
            b'\r' => line.extend_from_slice(b"\\r"),
            // Backspace, vertical tab and form feed move what is written.
            8 | 11 | 12 => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            byte => line.push(*byte),
        }
    }
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_dropped() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        let mut lines = OneEvent(Droppable(Closed));
        lines.write_all(b"INFO a\n").unwrap();
        lines.flush().unwrap();
    }

    #[test]
    fn line_breaks_inside_an_event_begin_no_event() {
        let check = |event: &str, expected: &str| {
            assert_eq!(
                String::from_utf8(one_event(event.as_bytes())).unwrap(),
                expected
            );
        };
        check("INFO a\n", "INFO a\n");
        check(
            "INFO a\nINFO forged\r\n\n",
            "INFO a\n    | INFO forged\\r\n    | \n",
        );
        check(
            "\u{1b}[32mINFO\u{1b}[0m a\u{1b}[2K\u{1b}[1A\u{1b}\n",
            "\u{1b}[32mINFO\u{1b}[0m a\\x1b[2K\\x1b[1A\\x1b\n",
        );
        check("INFO \u{8}\tß\n", "INFO \\x08\tß\n");
    }
}
