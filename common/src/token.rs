//! The bearer token of `security.token_file`.

use std::fmt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// What stands before the token in the `authorization` header.
const SCHEME: &str = "Bearer ";

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file is not there or cannot be read.
    #[error("cannot read the token file {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// What is in the file cannot be sent as a header.
    #[error(
        "the token file {} must have one line of visible ASCII characters and nothing else",
        path.display()
    )]
    Unusable {
        /// The file.
        path: PathBuf,
    },
}

/// A secret that every caller of the learner presents.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(String);

impl BearerToken {
    /// Reads the only line of a file.
    ///
    /// # Errors
    /// If the file cannot be read, is empty, or has more than one line of visible ASCII.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map_err(|source| TokenError::Read {
            path: path.into(),
            source,
        })?;
        Self::new(text.trim()).ok_or_else(|| TokenError::Unusable { path: path.into() })
    }

    /// A token of visible ASCII characters; none if it has others, or no characters at all.
    pub fn new(token: &str) -> Option<Self> {
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self(token.to_owned()))
    }

    /// The `authorization` header of a caller that has the token.
    pub fn header(&self) -> String {
        format!("{SCHEME}{}", self.0)
    }

    /// Whether an `authorization` header presents this token. The time that it takes tells nothing
    /// about the token.
    pub fn admits(&self, header: Option<&[u8]>) -> bool {
        let presented = header.and_then(credentials);
        let expected = Sha256::digest(self.0.as_bytes());
        let found = Sha256::digest(presented.unwrap_or_default());
        let difference = expected
            .iter()
            .zip(found.iter())
            .fold(0, |all, (a, b)| all | (a ^ b));
        difference == 0
    }
}

/// What follows the scheme, whose case does not matter (RFC 9110, 11.1).
fn credentials(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked(SCHEME.len())?;
    scheme
        .eq_ignore_ascii_case(SCHEME.as_bytes())
        .then(|| rest.trim_ascii_start())
}

/// Never shows the secret.
impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_admitted() {
        let token = BearerToken::new("s3cret").unwrap();
        assert!(token.admits(Some(token.header().as_bytes())));
        for wrong in [
            "",
            "s3cret",
            "Bearer ",
            "Bearer s3cre",
            "Bearer s3crets",
            "Basic s3cret",
            "Bearers3cret",
        ] {
            assert!(!token.admits(Some(wrong.as_bytes())), "{wrong}");
        }
        for right in ["bearer s3cret", "BEARER s3cret", "Bearer   s3cret"] {
            assert!(token.admits(Some(right.as_bytes())), "{right}");
        }
        assert!(!token.admits(None));
        assert!(!format!("{token:?}").contains("s3cret"));
    }

    #[test]
    fn a_file_has_one_line() {
        let directory = std::env::temp_dir().join(format!("troop-token-{}", std::process::id()));
        let check = |text: &str, usable: bool| {
            std::fs::write(&directory, text).unwrap();
            assert_eq!(BearerToken::read(&directory).is_ok(), usable, "{text:?}");
        };
        check("abc\n", true);
        check("", false);
        check("a b\n", false);
        check("a\nb\n", false);
        std::fs::remove_file(&directory).unwrap();
        let error = BearerToken::read(&directory).unwrap_err().to_string();
        assert!(error.contains("cannot read the token file"), "{error}");
    }
}
