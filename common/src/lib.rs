//! What Troop's learner and actors agree on: the experiment, spaces, the parameter layout,
//! the wire's payloads, metrics and telemetry.
//!
//! **Architecture Invariant:** this crate has no libtorch and starts no threads.

pub mod address;
pub mod attachment;
pub mod available_memory;
pub mod bounds;
pub mod call_error;
pub mod causes;
pub mod connections;
pub mod descriptors;
pub mod dialling;
pub mod experience;
pub mod experiment;
pub mod finite;
pub mod layout;
pub mod markdown;
pub mod metrics;
pub mod moments;
pub mod norm;
mod orthogonal;
pub mod pem;
pub mod process;
pub mod proto;
pub mod report_limits;
pub mod role;
pub mod serving;
pub mod shard_ranges;
pub mod spaces;
pub mod telemetry;
pub mod tls;
pub mod token;
pub mod weights;
pub mod wire;
