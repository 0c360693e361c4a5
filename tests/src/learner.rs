use crate::endpoint::Endpoint;
use crate::process::Process;
use crate::scratch::Scratch;

/// A learner that is ready for actors.
pub struct Learner {
    /// The process.
    pub process: Process,
    /// What actors are told.
    pub url: String,
    /// Its HTTP service.
    pub http: Endpoint,
}

impl Learner {
    /// Starts `troop-learner` with further arguments and waits until it listens.
    ///
    /// # Panics
    /// Where it ends instead.
    pub fn start(scratch: &Scratch, arguments: &str) -> Self {
        Self::of(scratch.start(&format!("troop-learner {arguments}")))
    }

    /// Waits until a learner that was started listens.
    ///
    /// # Panics
    /// Where it ends instead.
    pub fn of(process: Process) -> Self {
        let url = process.word_after("gRPC  ");
        let address = process.address_after("HTTP  http://");
        Self {
            process,
            url,
            http: Endpoint { address },
        }
    }
}
