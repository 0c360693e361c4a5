//! How a gRPC service of this project is reached: addresses, TLS, tokens, connections.

mod authorization;
mod caller;
mod certificate;
mod listener;
mod messages;
mod serve;
mod socket_file;
mod socket_lock;
mod tls;

pub use authorization::Authorization;
pub use caller::Caller;
pub use listener::{BindError, Listener, OwnedUnixListener, bind};
pub use messages::{
    FIRST_MESSAGE_LIMIT, MESSAGE_PATIENCE, first_message, only_message, refusal, respond,
    respond_with,
};
pub use serve::{Calls, Served, serve, serve_connections};
pub use tls::{HANDSHAKE_LIMIT, ServerTls, TlsFiles};
