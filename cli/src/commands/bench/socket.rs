//! Plain blocking sockets, TCP or Unix.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::str::FromStr;

/// Where one listens: `HOST:PORT`, or `unix:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let address = text.parse().map(Self::Tcp);
        address.map_err(|_| format!("found `{text}`; expected IP:PORT or unix:PATH"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Listens there.
    ///
    /// # Errors
    /// Where that cannot be.
    pub(super) fn listen(&self) -> io::Result<Listener> {
        Ok(match self {
            Self::Tcp(address) => Listener::Tcp(TcpListener::bind(address)?),
            Self::Unix(path) => Listener::Unix(UnixListener::bind(path)?, path.clone()),
        })
    }

    /// Connects to it.
    ///
    /// # Errors
    /// Where nobody listens.
    pub(super) fn connect(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(address) => Stream::tcp(TcpStream::connect(address)?),
            Self::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
        }
    }
}

/// Takes connections.
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

impl Listener {
    /// Where it listens, with the port that it was given.
    ///
    /// # Errors
    /// Where the system does not say.
    pub(super) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Self::Unix(_, path) => Address::Unix(path.clone()),
        })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// Where the system cannot take one.
    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Self::Tcp(listener) => Stream::tcp(listener.accept()?.0),
            Self::Unix(listener, _) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

/// One connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::Tcp(stream))
    }

    /// The same connection once more, for another thread.
    ///
    /// # Errors
    /// Where the process has too many files.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Says that nothing more is sent.
    ///
    /// # Errors
    /// Where the connection is lost.
    pub(super) fn end(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(buffer),
            Self::Unix(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_as_they_are_written() {
        for text in ["127.0.0.1:7700", "unix:/tmp/a b.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert!(
            "nowhere"
                .parse::<Address>()
                .unwrap_err()
                .contains("unix:PATH")
        );
    }

    #[test]
    fn both_kinds_carry_bytes_both_ways() {
        let directory = tempfile::tempdir().unwrap();
        let unix = Address::Unix(directory.path().join("socket"));
        for address in ["127.0.0.1:0".parse().unwrap(), unix] {
            let listener = address.listen().unwrap();
            let mut near = listener.address().unwrap().connect().unwrap();
            let mut far = listener.accept().unwrap();
            near.write_all(b"there").unwrap();
            near.end().unwrap();
            let mut received = String::new();
            far.duplicate()
                .unwrap()
                .read_to_string(&mut received)
                .unwrap();
            far.write_all(b"back").unwrap();
            drop(far);
            near.read_to_string(&mut received).unwrap();
            assert_eq!(received, "thereback");
        }
    }
}
