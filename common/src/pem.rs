//! Certificates and keys as they lie in files.

use std::path::{Path, PathBuf};

/// Why there is no certificate or key.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// The file is not there or cannot be read.
    #[error("cannot read {setting}, {}: {source}", path.display())]
    Read {
        /// What names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file holds something else.
    #[error("{setting}, {}, has no PEM block `BEGIN {block}`", path.display())]
    Missing {
        /// What names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// The block that was looked for.
        block: &'static str,
    },
    /// What the files hold cannot be used together.
    #[error("cannot speak TLS with what {settings} name: {source}")]
    Unusable {
        /// What names the files.
        settings: &'static str,
        /// What is wrong with them.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads a file with one certificate or more; `setting` names it in errors.
///
/// # Errors
/// If the file cannot be read, or has no certificate.
pub fn certificates(setting: &'static str, path: &Path) -> Result<String, PemError> {
    read(setting, path, "CERTIFICATE")
}

/// Reads a file with a private key (`PRIVATE KEY`, `RSA PRIVATE KEY`, `EC PRIVATE KEY`); `setting`
/// names it in errors.
///
/// # Errors
/// If the file cannot be read, or has no key.
pub fn private_key(setting: &'static str, path: &Path) -> Result<String, PemError> {
    read(setting, path, "PRIVATE KEY")
}

fn read(setting: &'static str, path: &Path, block: &'static str) -> Result<String, PemError> {
    let text = std::fs::read_to_string(path).map_err(|source| PemError::Read {
        setting,
        path: path.into(),
        source,
    })?;
    let begins = |line: &str| {
        line.strip_prefix("-----BEGIN ")
            .is_some_and(|rest| rest.trim_end().trim_end_matches('-').ends_with(block))
    };
    if text.lines().any(begins) {
        Ok(text)
    } else {
        Err(PemError::Missing {
            setting,
            path: path.into(),
            block,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_must_hold_what_is_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file.pem");
        let write = |block: &str| {
            let text = format!("-----BEGIN {block}-----\nAAAA\n-----END {block}-----\n");
            std::fs::write(&path, text).unwrap();
        };
        write("CERTIFICATE");
        assert!(certificates("--tls-ca", &path).is_ok());
        let error = private_key("--tls-key", &path).unwrap_err().to_string();
        assert!(error.contains("--tls-key"), "{error}");
        assert!(error.contains("`BEGIN PRIVATE KEY`"), "{error}");
        for key in ["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"] {
            write(key);
            assert!(private_key("--tls-key", &path).is_ok(), "{key}");
            assert!(certificates("--tls-ca", &path).is_err(), "{key}");
        }
    }

    #[test]
    fn a_missing_file_is_named_with_its_setting() {
        let error = certificates("`security.tls_certificate_file`", Path::new("/no/such.pem"));
        let error = error.unwrap_err().to_string();
        for part in ["tls_certificate_file", "/no/such.pem", "No such file"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
