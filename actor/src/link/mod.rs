//! How a worker reaches the learner, and the replay.

mod closed;
mod contribution;
mod grpc;
mod rejections;
mod remote_replay;
mod reports;
mod to_learner;
mod to_replay;

pub use closed::LinkClosed;
pub use contribution::Contribution;
pub use grpc::{AsyncLink, EndpointSettings, GrpcLink, Interrupt, JoinInfo, LearnerNews};
pub use rejections::Rejections;
pub use remote_replay::{
    AsyncReplayReader, AsyncReplayWriter, RemoteReplayReader, RemoteReplaySettings,
    RemoteReplayWriter,
};
pub use reports::ReportLink;
pub use to_learner::Link;
pub use to_replay::{ReplayReader, ReplayWriter};
pub use troop_common::dialling::{ClientIdentity, Connecting, Connector, Io, TlsSettings};
