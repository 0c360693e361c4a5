use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::address::Address;
use tokio::net::{TcpListener, UnixListener};

use super::socket_file::SocketFile;

/// Why nothing can listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else listens there.
    #[error(
        "address {address} is in use: stop what listens there, or set `{key}` to another{}",
        free_port(address)
    )]
    InUse {
        /// The address.
        address: Address,
        /// The setting that names it.
        key: &'static str,
    },
    /// The path of a socket is another file's.
    #[error(
        "cannot listen on {address}: what is there is no socket, and is left alone; remove it, or \
         set `{key}` to another path"
    )]
    NotASocket {
        /// The address.
        address: Address,
        /// The setting that names it.
        key: &'static str,
    },
    /// The system refuses for another reason.
    #[error("cannot listen on {address} (`{key}`): {source}")]
    Refused {
        /// The address.
        address: Address,
        /// The setting that names it.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

fn free_port(address: &Address) -> &'static str {
    match address {
        Address::Tcp(_) => " (port 0 takes a free one)",
        Address::Unix(_) => "",
    }
}

impl BindError {
    fn new(address: Address, key: &'static str, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, key },
            io::ErrorKind::AlreadyExists => Self::NotASocket { address, key },
            _ => Self::Refused {
                address,
                key,
                source,
            },
        }
    }
}

/// What the gRPC service listens with.
#[derive(Debug)]
pub enum Listener {
    /// A port.
    Tcp(TcpListener),
    /// A socket of this machine.
    Unix(OwnedUnixListener),
}

/// A Unix socket that only this user may connect to; its file goes when this is dropped.
#[derive(Debug)]
pub struct OwnedUnixListener {
    pub(super) listener: UnixListener,
    pub(super) file: SocketFile,
}

impl Listener {
    /// Listens on `address`, which the setting `key` names. A socket's file that a killed
    /// process left behind is replaced.
    ///
    /// # Errors
    /// If the address is in use or cannot be listened on.
    pub async fn bind(address: &Address, key: &'static str) -> Result<Self, BindError> {
        match address {
            Address::Tcp(address) => bind(*address, key).await.map(Self::Tcp),
            Address::Unix(path) => bind_unix(path)
                .await
                .map(Self::Unix)
                .map_err(|source| BindError::new(address.clone(), key, source)),
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Tcp),
            Self::Unix(socket) => Ok(Address::Unix(socket.file.path().into())),
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

async fn bind_unix(path: &Path) -> io::Result<OwnedUnixListener> {
    let (listener, file) = SocketFile::listen(path).await?;
    Ok(OwnedUnixListener { listener, file })
}

/// Listens on a port, which the setting `key` names.
///
/// # Errors
/// If the address is in use or cannot be listened on.
pub async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| BindError::new(address.into(), key, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn error(address: &Address) -> String {
        let bound = Listener::bind(address, "learner.listen").await;
        bound.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_with_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let socket = Address::Unix(directory.path().join("socket"));
        for address in ["127.0.0.1:0".parse().unwrap(), socket] {
            let first = Listener::bind(&address, "learner.listen").await.unwrap();
            let address = first.address().unwrap();
            let error = error(&address).await;
            assert!(error.contains(&format!("{address} is in use")), "{error}");
            assert!(error.contains("`learner.listen`"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_path_that_cannot_be_a_socket_is_named_with_its_key() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        std::fs::write(&path, "").unwrap();
        let cases = [
            (path, "is no socket"),
            (directory.path().join("missing/socket"), "No such file"),
        ];
        for (path, reason) in cases {
            let error = error(&Address::Unix(path)).await;
            assert!(error.contains(reason), "{error}");
            assert!(error.contains("`learner.listen`"), "{error}");
        }
    }
}
