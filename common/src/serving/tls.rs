use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::experiment::SecuritySettings;
use crate::pem::{self, PemError};
use crate::tls::prefer_fast_suites;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

use super::certificate;

/// A connection whose handshake takes longer is closed: who only connects holds nothing.
pub const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Files of a service's side of TLS, each with what names it.
#[derive(Clone, Copy, Debug)]
pub struct TlsFiles<'a> {
    /// Its certificate, intermediates after it.
    pub certificate: (&'static str, &'a Path),
    /// That one's private key.
    pub key: (&'static str, &'a Path),
    /// The CA that must have signed callers' certificates, if they need any.
    pub client_ca: Option<(&'static str, &'a Path)>,
    /// What names all of them, for an error about them together.
    pub all: &'static str,
}

/// The gRPC service's side of TLS.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: ServerTlsConfig,
    /// What is wrong with the times of the own certificate.
    complaint: Option<String>,
}

impl ServerTls {
    /// Reads the files that `[security]` names; none if it names no certificate.
    ///
    /// # Errors
    /// If a file cannot be read, or certificate and key cannot be used together.
    pub fn read(security: &SecuritySettings) -> Result<Option<Self>, PemError> {
        let files = (&security.tls_certificate_file, &security.tls_key_file);
        let (Some(certificate), Some(key)) = files else {
            return Ok(None);
        };
        let ca = security.tls_client_ca_file.as_deref();
        let files = TlsFiles {
            certificate: ("`security.tls_certificate_file`", certificate),
            key: ("`security.tls_key_file`", key),
            client_ca: ca.map(|ca| ("`security.tls_client_ca_file`", ca)),
            all: "`security.tls_certificate_file`, `tls_key_file` and `tls_client_ca_file`",
        };
        Self::of_files(&files).map(Some)
    }

    /// Reads these files.
    ///
    /// # Errors
    /// If a file cannot be read, or certificate and key cannot be used together.
    pub fn of_files(files: &TlsFiles<'_>) -> Result<Self, PemError> {
        prefer_fast_suites();
        let chain = pem::certificates(files.certificate.0, files.certificate.1)?;
        let complaint = certificate::complaint(chain.as_ref(), SystemTime::now());
        let identity = Identity::from_pem(chain, pem::private_key(files.key.0, files.key.1)?);
        let mut config = ServerTlsConfig::new()
            .identity(identity)
            .timeout(HANDSHAKE_LIMIT);
        if let Some((setting, ca)) = files.client_ca {
            let ca = pem::certificates(setting, ca)?;
            config = config.client_ca_root(Certificate::from_pem(ca));
        }
        // What cannot be used is found here, before a run begins.
        Server::builder()
            .tls_config(config.clone())
            .map_err(|error| PemError::Unusable {
                settings: files.all,
                source: error.into(),
            })?;
        Ok(Self { config, complaint })
    }

    /// What people should know of the certificate, although it can be used.
    pub fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }
}

impl From<ServerTls> for ServerTlsConfig {
    fn from(tls: ServerTls) -> Self {
        tls.config
    }
}
