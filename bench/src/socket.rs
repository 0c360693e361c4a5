//! Plain blocking sockets, TCP or Unix.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;

use troop_common::address::Address;
use troop_common::wire::tune_if_local;

/// Listens.
///
/// # Errors
/// If that cannot be.
pub(super) fn listen(address: &Address) -> io::Result<Listener> {
    Ok(match address {
        Address::Tcp(address) => Listener::Tcp(TcpListener::bind(address)?),
        Address::Unix(path) => Listener::Unix(UnixListener::bind(path)?, path.clone()),
    })
}

/// Connects.
///
/// # Errors
/// If nobody listens.
pub(super) fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => Stream::tcp(TcpStream::connect(address)?),
        Address::Unix(path) => Ok(Stream::Unix(UnixStream::connect(path)?)),
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
    /// If the system does not say.
    pub(super) fn address(&self) -> io::Result<Address> {
        Ok(match self {
            Self::Tcp(listener) => Address::Tcp(listener.local_addr()?),
            Self::Unix(_, path) => Address::Unix(path.clone()),
        })
    }

    /// Waits for the next connection.
    ///
    /// # Errors
    /// If the system cannot take one.
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
    /// With what Troop's own connections are set to.
    fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        tune_if_local(&stream, stream.peer_addr()?)?;
        Ok(Self::Tcp(stream))
    }

    /// The same connection once more, for another thread.
    ///
    /// # Errors
    /// If the process has too many files.
    pub(super) fn duplicate(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    /// Says that nothing more is sent.
    ///
    /// # Errors
    /// If the connection is lost.
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
    fn both_kinds_carry_bytes_both_ways() {
        let directory = tempfile::tempdir().unwrap();
        let unix = Address::Unix(directory.path().join("socket"));
        for address in ["127.0.0.1:0".parse().unwrap(), unix] {
            let listener = listen(&address).unwrap();
            let mut near = connect(&listener.address().unwrap()).unwrap();
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
