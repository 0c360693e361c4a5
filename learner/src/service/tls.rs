use std::time::{Duration, SystemTime};

use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use troop_common::experiment::SecuritySettings;
use troop_common::pem::{self, PemError};
use troop_common::tls::prefer_fast_suites;

use super::certificate;

/// A connection whose handshake takes longer is closed: who only connects holds nothing.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

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
        prefer_fast_suites();
        let chain = pem::certificates("`security.tls_certificate_file`", certificate)?;
        let complaint = certificate::complaint(chain.as_ref(), SystemTime::now());
        let identity = Identity::from_pem(chain, pem::private_key("`security.tls_key_file`", key)?);
        let mut config = ServerTlsConfig::new()
            .identity(identity)
            .timeout(HANDSHAKE_LIMIT);
        if let Some(ca) = &security.tls_client_ca_file {
            let ca = pem::certificates("`security.tls_client_ca_file`", ca)?;
            config = config.client_ca_root(Certificate::from_pem(ca));
        }
        // What cannot be used is found here, before a run begins.
        Server::builder()
            .tls_config(config.clone())
            .map_err(|error| PemError::Unusable {
                settings: "`security.tls_certificate_file`, `tls_key_file` and \
                           `tls_client_ca_file`",
                source: error.into(),
            })?;
        Ok(Some(Self { config, complaint }))
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;
    use tokio::time::Instant;
    use troop_common::connections::Gate;
    use troop_common::experiment::Experiment;

    use super::*;
    use crate::ParameterServer;
    use crate::metrics::Metrics;
    use crate::service::{Listener, Service, serve};

    fn tls(directory: &Path) -> ServerTls {
        let own = rcgen::generate_simple_self_signed(["learner".to_owned()]).unwrap();
        let (certificate, key) = (directory.join("own.pem"), directory.join("own.key"));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let security = SecuritySettings {
            tls_certificate_file: Some(certificate),
            tls_key_file: Some(key),
            ..SecuritySettings::default()
        };
        ServerTls::read(&security).unwrap().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn who_only_connects_is_let_go_after_a_while() {
        let directory = tempfile::tempdir().unwrap();
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(Experiment::default(), metrics));
        let service = Service::new(server).unwrap();
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(&address, "learner.listen").await.unwrap();
        let address = listener.address().unwrap().to_string();
        let tls = tls(directory.path());
        let gate = Gate::new("troop_test", 16).unwrap();
        let served = tokio::spawn(serve(listener, service, gate, None, Some(tls)));
        let began = Instant::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
        // Virtual time: it was the limit that ended it, and nothing before.
        assert!(began.elapsed() >= HANDSHAKE_LIMIT);
        served.abort();
    }
}
