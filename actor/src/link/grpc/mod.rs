//! The learner over gRPC.
//!
//! A task on a shared runtime owns the connection: it joins, opens the session's stream, hands
//! weights to the worker, and after a loss starts over. The worker meets it in a [`mailbox`] and
//! never touches the network itself: as a task through [`AsyncLink`], as a thread through
//! [`GrpcLink`].

mod async_link;
mod client;
mod computed_on;
mod endpoint;
mod gradient_pool;
mod grpc_link;
mod incoming;
mod interrupt;
mod join_info;
mod lane;
mod learner_news;
mod leave_limit;
mod mailbox;
mod outgoing;
mod passing_norm;
mod patience;
mod requests;
mod session;
mod session_end;
mod shared_session;
mod sum;
mod supervisor;
mod whole_weights;
mod window;

pub use async_link::AsyncLink;
pub use endpoint::EndpointSettings;
pub use grpc_link::GrpcLink;
pub use interrupt::Interrupt;
pub use join_info::JoinInfo;
pub use learner_news::LearnerNews;
