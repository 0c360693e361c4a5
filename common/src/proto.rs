//! The generated gRPC contract, `proto/troop/v1`.

/// Version 1 of the contract.
#[allow(missing_docs, clippy::all, unreachable_pub)] // generated; documented in the .proto file
pub mod v1 {
    tonic::include_proto!("troop.v1");
}

/// The protocol that this software speaks; both sides must speak the same.
pub const PROTOCOL: u32 = 2;
