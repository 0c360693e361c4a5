//! Paths of the contract's calls.

/// What all of them begin with.
pub const SERVICE: &str = "troop.v1.ParameterServer";
/// A worker joins.
pub const JOIN: &str = "/troop.v1.ParameterServer/Join";
/// A session's stream.
pub const TRAIN: &str = "/troop.v1.ParameterServer/Train";
/// Published weights.
pub const WATCH: &str = "/troop.v1.ParameterServer/Watch";
/// How the run goes.
pub const STATUS: &str = "/troop.v1.ParameterServer/Status";
