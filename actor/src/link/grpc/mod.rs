//! The learner over gRPC.
//!
//! A task on a shared runtime owns the connection: it joins, opens the session's stream, hands
//! weights to the worker, and after a loss starts over. The worker meets it in a [`mailbox`] and
//! never touches the network itself: as a task through [`AsyncLink`], as a thread through
//! [`GrpcLink`].

mod async_link;
mod backoff;
mod client;
mod connector;
mod endpoint;
mod gradient_pool;
mod grpc_link;
mod incoming;
mod interrupt;
mod join_info;
mod leave_limit;
mod mailbox;
mod mismatch;
mod outage;
mod presents;
mod probe;
mod requests;
mod session;
mod session_end;
mod supervisor;
mod tls;
mod window;

pub use async_link::AsyncLink;
pub use connector::{Connecting, Connector, Io};
pub use endpoint::EndpointSettings;
pub use grpc_link::GrpcLink;
pub use interrupt::Interrupt;
pub use join_info::JoinInfo;
pub use tls::{ClientIdentity, TlsSettings};
