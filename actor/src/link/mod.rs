//! How a worker reaches the learner.

mod closed;
mod contribution;
mod grpc;
mod rejections;
mod to_learner;

pub use closed::LinkClosed;
pub use contribution::Contribution;
pub use grpc::{
    AsyncLink, ClientIdentity, Connecting, Connector, EndpointSettings, GrpcLink, Interrupt, Io,
    JoinInfo, TlsSettings,
};
pub use rejections::Rejections;
pub use to_learner::Link;
