//! Everything that reads bytes from outside, each as a function of bytes that must end soon, in
//! little memory, and without a panic: [`TARGETS`].
//!
//! `fuzz/run.sh` feeds them with libFuzzer; `tests/tests/corpus.rs` repeats the inputs in `corpus/`
//! on each run of the tests.

#[path = "../../actor/src/link/grpc/incoming.rs"]
#[allow(dead_code, reason = "what the actor's other files use")]
mod incoming;

#[path = "../../actor/src/environment/gymnasium/handshake.rs"]
#[allow(dead_code, reason = "what the actor's other files use")]
mod handshake;

mod bytes_in;
pub mod checkpoint;
pub mod credentials;
pub mod event_log;
pub mod experience;
pub mod experiment;
pub mod host_channel;
pub mod http_request;
pub mod layout;
pub mod messages;
pub mod overrides;
pub mod request;
pub mod response;
pub mod rope;
pub mod run_directory;
mod scratch;
pub mod session;

/// What reads bytes.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 15] = [
    ("checkpoint", checkpoint::run),
    ("credentials", credentials::run),
    ("event_log", event_log::run),
    ("experience", experience::run),
    ("experiment", experiment::run),
    ("host_channel", host_channel::run),
    ("http_request", http_request::run),
    ("layout", layout::run),
    ("messages", messages::run),
    ("overrides", overrides::run),
    ("request", request::run),
    ("response", response::run),
    ("rope", rope::run),
    ("run_directory", run_directory::run),
    ("session", session::run),
];
