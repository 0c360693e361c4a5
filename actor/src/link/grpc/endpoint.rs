use troop_common::dialling::{Connector, Dial, TlsSettings};
use troop_common::experiment::ActorSettings;
use troop_common::role::Role;
use troop_common::token::BearerToken;

use super::interrupt::Interrupt;

/// Where the learner is and how it is approached.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// The learner's address: `http://host:port`, where `http://` may be left out,
    /// `https://host:port`, or `unix:/path/to/socket`.
    pub url: String,
    /// The actor's side of TLS; an address with `https://` needs it, and no other has it.
    pub tls: Option<TlsSettings>,
    /// What the learner's `security.token_file` holds, where it has one.
    pub token: Option<BearerToken>,
    /// The worker's name in the learner's logs and session table.
    pub worker: String,
    /// What the worker does; without, what the experiment says.
    pub role: Option<Role>,
    /// How long and how often the learner is looked for until it has said what the experiment's
    /// `[actor]` is.
    pub actor: ActorSettings,
    /// What ends the link before the run is over.
    pub interrupt: Interrupt,
    /// How the learner is dialled.
    pub connector: Connector,
    /// Of the jitter in the pauses between tries; each worker has another, so that they do not
    /// come back at once. The learner knows a worker by it that comes back.
    pub jitter_seed: u64,
}

impl EndpointSettings {
    /// How the learner is called.
    pub fn dial(&self) -> Dial {
        Dial {
            url: self.url.clone(),
            tls: self.tls.clone(),
            token: self.token.clone(),
            connector: self.connector.clone(),
        }
    }

    /// The address with its scheme, as errors and logs show it.
    pub(super) fn full_url(&self) -> String {
        self.dial().full_url()
    }

    /// Checks that an address can be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_url(url: &str) -> Result<(), String> {
        Dial::check_url(url)
    }

    /// Checks that there are TLS settings where the address needs them, and nowhere else.
    ///
    /// # Errors
    /// What is missing or too much.
    pub fn check_tls(url: &str, has_tls: bool) -> Result<(), String> {
        Dial::check_tls(url, has_tls)
    }
}
