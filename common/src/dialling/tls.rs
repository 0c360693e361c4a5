use std::fmt;
use std::path::Path;

use crate::pem::{self, PemError};
use crate::tls::prefer_fast_suites;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

/// Whom a caller trusts to be the service, and who it says that it is.
#[derive(Clone)]
pub struct TlsSettings {
    /// PEM certificates of the CA, one or more, that must have signed the service's. No others
    /// are trusted, the system's neither.
    pub ca: String,
    /// The name in the service's certificate where it is not the address's host.
    pub domain: Option<String>,
    /// The caller's own certificate, for services that ask for one.
    pub identity: Option<ClientIdentity>,
}

/// A certificate with its private key, both PEM.
#[derive(Clone)]
pub struct ClientIdentity {
    /// The certificate, its intermediates after it.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl TlsSettings {
    /// Reads what `--tls-ca`, and `--tls-certificate` with `--tls-key`, name.
    ///
    /// # Errors
    /// If a file cannot be read or holds something else.
    pub fn read(
        ca: &Path,
        domain: Option<String>,
        identity: Option<(&Path, &Path)>,
    ) -> Result<Self, PemError> {
        let identity = match identity {
            Some((certificate, key)) => Some(ClientIdentity {
                certificate: pem::certificates("--tls-certificate", certificate)?,
                key: pem::private_key("--tls-key", key)?,
            }),
            None => None,
        };
        Ok(Self {
            ca: pem::certificates("--tls-ca", ca)?,
            domain,
            identity,
        })
    }

    /// The same for tonic.
    pub(super) fn config(&self) -> ClientTlsConfig {
        prefer_fast_suites();
        let mut config =
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(self.ca.as_bytes()));
        if let Some(domain) = &self.domain {
            config = config.domain_name(domain);
        }
        if let Some(identity) = &self.identity {
            config = config.identity(Identity::from_pem(&identity.certificate, &identity.key));
        }
        config
    }
}

/// Never shows the key.
impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("domain", &self.domain)
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}
