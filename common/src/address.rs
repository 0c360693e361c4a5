//! Where the gRPC service listens and is found.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands before the path of a Unix socket.
const UNIX: &str = "unix:";

/// Longest path of a Unix socket, in bytes: the system's limit without the byte that ends it.
const LONGEST_PATH: usize = 107;

/// Where a service listens: `host:port`, or `unix:/path/to/socket`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Address {
    /// A port of an IP address.
    Tcp(SocketAddr),
    /// A socket file of this machine; its path is absolute, so that it means the same to both sides.
    Unix(PathBuf),
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is neither of both.
    #[error("no address, expected an address such as `127.0.0.1:7700` or `unix:/run/troop.sock`")]
    Unreadable,
    /// The socket's path depends on the directory that a process runs in.
    #[error("a socket's path must be absolute, as in `unix:/run/troop.sock`")]
    Relative,
    /// The system knows no such long paths of sockets.
    #[error("a socket's path must not be longer than {LONGEST_PATH} bytes; this one has {0}")]
    TooLong(usize),
}

impl Address {
    /// Whether `text` is meant to be a Unix socket.
    pub fn names_unix(text: &str) -> bool {
        text.starts_with(UNIX)
    }

    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let Some(path) = text.strip_prefix(UNIX) else {
            return text
                .parse()
                .map(Self::Tcp)
                .map_err(|_| AddressError::Unreadable);
        };
        // With an empty host, as URLs have one.
        let path = path.strip_prefix("//").unwrap_or(path);
        if !Path::new(path).is_absolute() {
            return Err(AddressError::Relative);
        }
        // Two slashes at the front would be taken for an empty host when it is read again.
        let path = format!("/{}", path.trim_start_matches('/'));
        if path.len() > LONGEST_PATH {
            return Err(AddressError::TooLong(path.len()));
        }
        Ok(Self::Unix(path.into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_sockets_are_told_apart_and_written_back() {
        let check = |text: &str, expected: Address, written: &str| {
            let address: Address = text.parse().unwrap();
            assert_eq!(address, expected);
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse(), Ok(expected));
        };
        let tcp = Address::from(SocketAddr::from(([127, 0, 0, 1], 7700)));
        check("127.0.0.1:7700", tcp, "127.0.0.1:7700");
        let socket = || Address::Unix("/run/troop.sock".into());
        check("unix:/run/troop.sock", socket(), "unix:/run/troop.sock");
        check("unix:///run/troop.sock", socket(), "unix:/run/troop.sock");
        check("unix:////run/troop.sock", socket(), "unix:/run/troop.sock");
    }

    #[test]
    fn what_is_no_address_says_why() {
        let error = |text: &str| text.parse::<Address>().unwrap_err();
        for text in ["", "learner:7700", "127.0.0.1", "/run/troop.sock"] {
            assert_eq!(error(text), AddressError::Unreadable, "{text}");
        }
        for text in ["unix:", "unix:troop.sock", "unix:./a", "unix://a/b"] {
            assert_eq!(error(text), AddressError::Relative, "{text}");
        }
        let path = |bytes: usize| format!("unix:/{}", "x".repeat(bytes - 1));
        assert!(path(107).parse::<Address>().is_ok());
        assert_eq!(error(&path(108)), AddressError::TooLong(108));
    }

    #[test]
    fn loopback_and_sockets_are_local() {
        let is_local = |text: &str| text.parse::<Address>().unwrap().is_local();
        for local in ["127.8.8.8:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "unix:/a"] {
            assert!(is_local(local), "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "192.168.0.1:1"] {
            assert!(!is_local(open), "{open}");
        }
    }
}
