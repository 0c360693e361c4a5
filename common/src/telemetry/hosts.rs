use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// The names by which pages may ask this process. A page from anywhere can have its own name lead to this
/// machine (DNS rebinding), and would then read what listens here; its browser still says which name was asked.
///
/// Addresses, `localhost` and names of one label, such as a container's, are no page's from elsewhere.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// None admits all.
    named: Option<Arc<[String]>>,
}

impl Hosts {
    /// Every name: who asks has to present a token, which no page has.
    pub fn all() -> Self {
        Self { named: None }
    }

    /// Those that lead to this machine whatever a page does, and `further` ones.
    pub fn local_and(further: &[String]) -> Self {
        let named = further.iter().map(|name| name.to_ascii_lowercase());
        Self {
            named: Some(named.collect()),
        }
    }

    fn admits(&self, host: &str) -> bool {
        let Some(named) = &self.named else {
            return true;
        };
        let name = without_port(host)
            .trim_end_matches('.')
            .to_ascii_lowercase();
        let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        let is_local = !name.contains('.') || name.ends_with(".localhost");
        is_address || is_local || named.contains(&name)
    }

    /// Answers requests for another name with 421.
    pub(super) async fn check(self, request: Request, next: Next) -> Response {
        let asked = host_of(request.headers()).or_else(|| request.uri().host());
        match asked {
            Some(host) if !self.admits(host) => {
                let text = format!(
                    "expected a request for this machine's address or name, found one for `{}`; if that \
                     leads here by your will, add it to `security.http_hosts`, or set a token\n",
                    host.escape_debug()
                );
                (StatusCode::MISDIRECTED_REQUEST, text).into_response()
            }
            _ => next.run(request).await,
        }
    }
}

/// What the `Host` header says; text that is none says something that is no name.
fn host_of(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?;
    Some(host.to_str().unwrap_or("?.?"))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_this_machine_is_admitted_and_what_a_page_may_own_is_not() {
        let hosts = Hosts::local_and(&["Troop.Example.org".into()]);
        for own in [
            "127.0.0.1:7780",
            "10.1.2.3",
            "[::1]:7780",
            "[fe80::1]",
            "localhost",
            "LOCALHOST:80",
            "run.localhost:7780",
            "learner:7780",
            "troop.example.ORG.:443",
        ] {
            assert!(hosts.admits(own), "{own}");
        }
        for foreign in [
            "evil.example",
            "evil.example:7780",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "other.example.org",
            "?.?",
        ] {
            assert!(!hosts.admits(foreign), "{foreign}");
            assert!(Hosts::all().admits(foreign));
        }
    }
}
