//! What the end-to-end tests share: real processes in a directory of their own, watched from outside.
//!
//! Everything waits for an event, with a limit that only a hang reaches; nothing sleeps and hopes.

mod binaries;
mod endpoint;
mod exposition;
mod learner;
mod output;
mod process;
mod relay;
mod reserved_port;
mod run_files;
mod scratch;
pub mod split_run;
mod waiting;

pub use binaries::{checkout, executable, python};
pub use endpoint::{Endpoint, Response};
pub use exposition::Exposition;
pub use learner::Learner;
pub use process::{Finished, Process, Signal};
pub use relay::Relay;
pub use reserved_port::ReservedPort;
pub use run_files::RunFiles;
pub use scratch::Scratch;
pub use waiting::{LIMIT, poll_until, serial};
