use std::io::{self, Read, Write};

use clap::ValueEnum;

/// Bytes that stay in the cache, and of one read or write of them: measured to be the fastest on
/// loopback.
const BLOCK_BYTES: usize = 256 << 10;

/// The memory that a message of the raw measurement passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Buffering {
    /// As large as the message, which is there as a whole: what any use of it needs.
    Whole,
    /// One small block again and again, which stays in the cache: no use of the message, only the
    /// socket's upper limit.
    Block,
}

impl Buffering {
    /// As `--memory` takes it.
    pub(super) fn argument(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Block => "block",
        }
    }
}

/// Where messages of one size are written from or read into.
#[derive(Debug)]
pub(super) struct MessageBuffer {
    memory: Vec<u8>,
    message_bytes: usize,
}

impl MessageBuffer {
    /// Its pages have been touched: the first message costs what later ones cost.
    pub(super) fn new(memory: Buffering, message_bytes: usize) -> Self {
        let bytes = match memory {
            Buffering::Whole => message_bytes,
            Buffering::Block => message_bytes.min(BLOCK_BYTES),
        };
        Self {
            memory: vec![1; bytes],
            message_bytes,
        }
    }

    /// Writes one message, as much at once as the system takes.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn write_to(&self, stream: &mut impl Write) -> io::Result<()> {
        let mut written = 0;
        while written < self.message_bytes {
            let (start, end) = self.place(written);
            written += match stream.write(&self.memory[start..end])? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                bytes => bytes,
            };
        }
        Ok(())
    }

    /// Reads one message, as much at once as there is; `false` at the connection's end.
    ///
    /// # Errors
    /// If the connection is lost.
    pub(super) fn read_from(&mut self, stream: &mut impl Read) -> io::Result<bool> {
        let mut read = 0;
        while read < self.message_bytes {
            let (start, end) = self.place(read);
            read += match stream.read(&mut self.memory[start..end])? {
                0 => return Ok(false),
                bytes => bytes,
            };
        }
        Ok(true)
    }

    /// Where the bytes after the first `done` of a message lie.
    fn place(&self, done: usize) -> (usize, usize) {
        match self.memory.len() == self.message_bytes {
            true => (done, self.message_bytes),
            false => (0, self.memory.len().min(self.message_bytes - done)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes and gives few bytes at once.
    struct Narrow(Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(100_001);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn either_memory_carries_messages_of_the_given_size() {
        for memory in [Buffering::Whole, Buffering::Block] {
            for bytes in [1, BLOCK_BYTES, 2 * BLOCK_BYTES + 1] {
                let mut buffer = MessageBuffer::new(memory, bytes);
                let mut wire = Narrow(Vec::new());
                buffer.write_to(&mut wire).unwrap();
                buffer.write_to(&mut wire).unwrap();
                assert_eq!(wire.0.len(), 2 * bytes);
                let mut rest = wire.0.as_slice();
                assert!(buffer.read_from(&mut rest).unwrap());
                assert_eq!(rest.len(), bytes);
                assert!(buffer.read_from(&mut rest).unwrap());
                assert!(!buffer.read_from(&mut rest).unwrap());
            }
        }
    }

    #[test]
    fn only_a_whole_message_is_there_at_the_end() {
        let message: Vec<u8> = (0..2 * BLOCK_BYTES + 1).map(|i| (i % 251) as u8).collect();
        let mut whole = MessageBuffer::new(Buffering::Whole, message.len());
        whole.read_from(&mut message.as_slice()).unwrap();
        assert_eq!(whole.memory, message);
        let block = MessageBuffer::new(Buffering::Block, message.len());
        assert_eq!(block.memory.len(), BLOCK_BYTES);
    }
}
