//! How a gRPC service of this project is called: addresses, TLS, tokens, and what is said of a connection that fails.

mod backoff;
mod connector;
mod dial;
mod last_words;
mod mismatch;
mod no_connection;
mod outage;
mod presents;
mod probe;
mod tls;

pub use backoff::Backoff;
pub use connector::{Connecting, Connector, Io};
pub use dial::{Dial, Dialled};
pub use no_connection::NoConnection;
pub use outage::Outage;
pub use presents::Presents;
pub use tls::{ClientIdentity, TlsSettings};
