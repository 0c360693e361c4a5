//! How a worker reaches the learner, and the replay.

mod closed;
mod contribution;
mod grpc;
mod rejections;
mod reports;
mod to_learner;
mod to_replay;

pub use closed::LinkClosed;
pub use contribution::Contribution;
pub use grpc::{
    AsyncLink, ClientIdentity, Connecting, Connector, EndpointSettings, GrpcLink, Interrupt, Io,
    JoinInfo, TlsSettings,
};
pub use rejections::Rejections;
pub use reports::ReportLink;
pub use to_learner::Link;
pub use to_replay::{ReplayReader, ReplayWriter};
