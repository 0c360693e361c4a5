use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

/// A throw-away CA with a certificate of it for a learner on loopback, which those who connect have too, in files.
#[derive(Clone)]
pub(super) struct Certificates {
    /// The CA's certificate.
    pub(super) ca: PathBuf,
    /// What both sides present.
    pub(super) certificate: PathBuf,
    /// Its private key.
    pub(super) key: PathBuf,
}

impl Certificates {
    /// Makes them and writes them to `directory`, which should be nobody else's.
    ///
    /// # Errors
    /// If a key cannot be made, or a file cannot be written.
    pub(super) fn write(directory: &Path) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let parameters = CertificateParams::new(["127.0.0.1".to_owned()])?;
        let certificate = parameters.signed_by(&key, &ca)?;
        let write = |name: &str, pem: String| {
            let path = directory.join(name);
            fs::write(&path, pem).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        Ok(Self {
            ca: write("ca.pem", ca.pem())?,
            certificate: write("learner.pem", certificate.pem())?,
            key: write("learner.key", key.serialize_pem())?,
        })
    }

    /// The learner's settings for them.
    pub(super) fn settings(&self) -> [String; 3] {
        let (certificate, key) = (self.certificate.display(), self.key.display());
        [
            format!("security.tls_client_ca_file={}", self.ca.display()),
            format!("security.tls_certificate_file={certificate}"),
            format!("security.tls_key_file={key}"),
        ]
    }
}
