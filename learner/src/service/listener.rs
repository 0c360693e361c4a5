use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Why nothing can listen on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Something else listens there.
    #[error(
        "address {address} is in use: stop what listens there, or set `{key}` to another (port 0 takes a free one)"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The experiment's key that names it.
        key: &'static str,
    },
    /// The system refuses for another reason.
    #[error("cannot listen on {address} (`{key}`): {source}")]
    Refused {
        /// The address.
        address: SocketAddr,
        /// The experiment's key that names it.
        key: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

/// Listens on `address`, which the experiment's `key` names.
///
/// # Errors
/// Where the address is in use or cannot be listened on.
pub async fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, key },
            _ => BindError::Refused {
                address,
                key,
                source,
            },
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_in_use_is_named_with_its_key() {
        let first = bind("127.0.0.1:0".parse().unwrap(), "learner.listen")
            .await
            .unwrap();
        let address = first.local_addr().unwrap();
        let error = bind(address, "learner.listen")
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(&address.to_string()), "{error}");
        assert!(error.contains("`learner.listen`"), "{error}");
    }
}
