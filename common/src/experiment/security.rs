use std::path::PathBuf;

use super::LearnerSettings;
use super::settings::settings;
use super::violation::Violations;
use crate::address::Address;

settings! {
    /// `[security]`: who may connect. Never sent to actors.
    pub struct SecuritySettings {
        /// Lets a listener leave loopback although anyone who reaches it may then train and read.
        pub allow_insecure_listen: bool = false,
        /// A file whose only line every caller must present as a bearer token.
        #[serde(with = "super::optional")]
        pub token_file: Option<PathBuf> = None,
        /// A PEM file with the certificate that the gRPC service presents, its intermediates after it; goes with
        /// `tls_key_file`.
        #[serde(with = "super::optional")]
        pub tls_certificate_file: Option<PathBuf> = None,
        /// A PEM file with that certificate's private key.
        #[serde(with = "super::optional")]
        pub tls_key_file: Option<PathBuf> = None,
        /// A PEM file with the CA that must have signed a caller's own certificate; without it TLS asks callers for
        /// none.
        #[serde(with = "super::optional")]
        pub tls_client_ca_file: Option<PathBuf> = None,
        /// Names, beside addresses, `localhost` and those of one label, by which HTTP may be asked without a token,
        /// e.g. a proxy's: a page from elsewhere cannot read it by a name of its own.
        pub http_hosts: Vec<String> = Vec::new(),
    }
}

impl SecuritySettings {
    /// Whether the gRPC service speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls_certificate_file.is_some()
    }

    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            self.tls_certificate_file.is_some() || self.tls_key_file.is_none(),
            "security.tls_certificate_file",
            "must be set together with `security.tls_key_file`: TLS needs both",
        );
        violations.expect(
            self.tls_key_file.is_some() || self.tls_certificate_file.is_none(),
            "security.tls_key_file",
            "must be set together with `security.tls_certificate_file`: TLS needs both",
        );
        violations.expect(
            self.has_tls() || self.tls_client_ca_file.is_none(),
            "security.tls_client_ca_file",
            "needs `security.tls_certificate_file`: only with TLS do callers present certificates",
        );
    }

    /// Notes listeners that others could reach unguarded, and what a listener cannot do.
    pub(super) fn check_listeners(&self, learner: &LearnerSettings, violations: &mut Violations) {
        let http = Address::Tcp(learner.http);
        let guarded = self.token_file.is_some() || self.allow_insecure_listen;
        let allow = "`security.allow_insecure_listen = true` if everyone there is trusted";
        violations.expect(
            guarded || self.has_tls() || learner.listen.is_local(),
            "learner.listen",
            format!(
                "whoever reaches this address could read the experiment and steer the training; \
                 set `security.token_file`, `security.tls_certificate_file`, or {allow}"
            ),
        );
        violations.expect(
            guarded || http.is_local(),
            "learner.http",
            format!(
                "whoever reaches this address could read metrics and status; set \
                 `security.token_file`, or {allow}"
            ),
        );
        violations.expect(
            !self.has_tls() || matches!(learner.listen, Address::Tcp(_)),
            "security.tls_certificate_file",
            "cannot be used with a `unix:` address in `learner.listen`: nothing of it leaves this \
             machine; the socket's file says who may connect",
        );
    }

    /// What works, and still leaves something open that people should know of.
    pub fn warnings(&self, learner: &LearnerSettings) -> Vec<&'static str> {
        let open_grpc = !learner.listen.is_local();
        let open_http = !Address::Tcp(learner.http).is_local();
        let has_token = self.token_file.is_some();
        let cases = [
            (
                open_grpc && has_token && !self.has_tls(),
                "the gRPC service speaks no TLS: its token can be read on the way; set \
                 `security.tls_certificate_file`",
            ),
            (
                open_http && has_token,
                "HTTP speaks no TLS: the token can be read on the way of a request for metrics or \
                 status; keep `learner.http` on loopback",
            ),
            (
                open_grpc && self.has_tls() && !has_token && self.tls_client_ca_file.is_none(),
                "TLS hides what is sent, but whoever reaches the gRPC service may join; set \
                 `security.tls_client_ca_file` or `security.token_file`",
            ),
        ];
        let applies = cases.into_iter().filter(|(applies, _)| *applies);
        applies.map(|(_, warning)| warning).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn security(token: bool, tls: bool, client_ca: bool) -> SecuritySettings {
        let file = |there: bool| there.then(|| PathBuf::from("file"));
        SecuritySettings {
            allow_insecure_listen: false,
            token_file: file(token),
            tls_certificate_file: file(tls),
            tls_key_file: file(tls),
            tls_client_ca_file: file(client_ca),
            http_hosts: Vec::new(),
        }
    }

    #[test]
    fn what_is_left_open_is_said() {
        let learner = |listen: &str, http: &str| LearnerSettings {
            listen: listen.parse().unwrap(),
            http: http.parse().unwrap(),
            ..LearnerSettings::default()
        };
        let check = |security: SecuritySettings, learner: &LearnerSettings, expected: &[&str]| {
            let found = security.warnings(learner);
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{found}");
            }
        };
        let open = learner("0.0.0.0:7700", "127.0.0.1:7780");
        check(security(true, false, false), &open, &["the gRPC service"]);
        check(security(false, true, false), &open, &["TLS hides"]);
        check(security(true, true, false), &open, &[]);
        check(security(false, true, true), &open, &[]);
        let open = learner("0.0.0.0:7700", "0.0.0.0:7780");
        check(security(true, true, true), &open, &["HTTP speaks"]);
        let local = learner("unix:/a", "127.0.0.1:7780");
        check(security(true, false, false), &local, &[]);
    }
}
