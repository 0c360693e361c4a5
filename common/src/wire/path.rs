//! Paths of the contract's calls.

/// What all of them begin with.
pub const SERVICE: &str = "troop.v1.ParameterServer";
/// A worker joins.
pub const JOIN: &str = "/troop.v1.ParameterServer/Join";
/// A session's stream.
pub const TRAIN: &str = "/troop.v1.ParameterServer/Train";
/// Published weights.
pub const WATCH: &str = "/troop.v1.ParameterServer/Watch";
/// A replay's stream.
pub const ATTACH_REPLAY: &str = "/troop.v1.ParameterServer/AttachReplay";
/// How the run goes.
pub const STATUS: &str = "/troop.v1.ParameterServer/Status";
/// What the calls of a replay begin with.
pub const REPLAY: &str = "troop.v1.Replay";
/// A worker adds experience.
pub const APPEND: &str = "/troop.v1.Replay/Append";
/// A worker draws from it.
pub const DRAW: &str = "/troop.v1.Replay/Draw";
/// How the replay goes.
pub const REPLAY_STATUS: &str = "/troop.v1.Replay/ReplayStatus";
