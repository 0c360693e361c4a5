use std::time::Duration;

use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use super::connector::Connector;
use super::mismatch::{self, Called};
use super::no_connection::NoConnection;
use super::presents::Presents;
use super::tls::TlsSettings;
use crate::address::Address;
use crate::causes::with_causes;
use crate::experiment::WireSettings;
use crate::token::BearerToken;
use crate::wire::{FRAME_BYTES, WINDOW_BYTES};

/// Begins an address that is approached without TLS.
const PLAIN: &str = "http://";

/// Begins one that is approached with TLS.
const ENCRYPTED: &str = "https://";

/// A connection that does not stand after this time is tried again.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// A connection; each call presents the token.
pub type Dialled = InterceptedService<Channel, Presents>;

/// Where a service is and how it is approached.
#[derive(Clone, Debug, Default)]
pub struct Dial {
    /// Its address: `http://host:port`, where `http://` may be left out, `https://host:port`, or
    /// `unix:/path/to/socket`.
    pub url: String,
    /// The caller's side of TLS; an address with `https://` needs it, and no other has it.
    pub tls: Option<TlsSettings>,
    /// What the service's token file holds, where it has one.
    pub token: Option<BearerToken>,
    /// How it is dialled.
    pub connector: Connector,
}

impl Dial {
    /// The address with its scheme, as errors and logs show it.
    pub fn full_url(&self) -> String {
        full_url(&self.url)
    }

    /// Checks that an address can be one.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_url(url: &str) -> Result<(), String> {
        endpoint(url).map(|_| ())
    }

    /// Checks that there are TLS settings where the address needs them, and nowhere else.
    ///
    /// # Errors
    /// What is missing or too much.
    pub fn check_tls(url: &str, has_tls: bool) -> Result<(), String> {
        let url = full_url(url);
        match (url.starts_with(ENCRYPTED), has_tls) {
            (true, false) => Err(format!(
                "address `{url}` needs --tls-ca: the CA that signed the learner's certificate, or \
                 the system's, which is often /etc/ssl/certs/ca-certificates.crt"
            )),
            (false, true) => Err(format!(
                "address `{url}` has no use for --tls-ca; expected e.g. https://learner:7700"
            )),
            _ => Ok(()),
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// If there is nobody, or the address cannot be one.
    pub async fn connect(&self, wire: &WireSettings) -> Result<Dialled, NoConnection> {
        let endpoint = self.endpoint(wire).map_err(NoConnection::Lasting)?;
        match self.connector.connect(&endpoint, &self.url).await {
            Ok(channel) => Ok(self.presenting(channel)),
            Err(error) => Err(mismatch::of_connecting(self.called(&self.full_url()), error).await),
        }
    }

    fn called<'a>(&'a self, url: &'a str) -> Called<'a> {
        Called {
            url,
            connector: &self.connector,
        }
    }

    /// What it means that the first call of a connection was lost for `reason`.
    pub async fn first_call_lost(&self, reason: String) -> NoConnection {
        mismatch::of_first_call(self.called(&self.full_url()), reason).await
    }

    /// What the settings and the experiment's `[wire]` say about a connection.
    ///
    /// # Errors
    /// If the address cannot be one, or its TLS settings cannot be used.
    fn endpoint(&self, wire: &WireSettings) -> Result<Endpoint, String> {
        Self::check_tls(&self.url, self.tls.is_some())?;
        let mut endpoint = endpoint(&self.url)?;
        if let Some(tls) = &self.tls {
            endpoint = endpoint.tls_config(tls.config()).map_err(|error| {
                let causes = with_causes(&error);
                format!("cannot speak TLS with what --tls-… name: {causes}")
            })?;
        }
        Ok(endpoint
            .connect_timeout(CONNECT_LIMIT)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES)
            .http2_keep_alive_interval(Duration::from_millis(wire.keepalive_interval_ms))
            .keep_alive_timeout(Duration::from_millis(wire.keepalive_timeout_ms))
            .keep_alive_while_idle(true))
    }

    fn presenting(&self, channel: Channel) -> Dialled {
        let token = self.token.as_ref();
        // A token has visible ASCII characters only, all of which a header may have.
        let header = token.and_then(|token| token.header().parse().ok());
        InterceptedService::new(channel, Presents::new(header))
    }
}

fn full_url(url: &str) -> String {
    if url.contains("://") || Address::names_unix(url) {
        url.to_owned()
    } else {
        format!("{PLAIN}{url}")
    }
}

fn endpoint(url: &str) -> Result<Endpoint, String> {
    let url = full_url(url);
    let unusable = |why: String| {
        format!(
            "address `{url}` {why}; expected e.g. http://127.0.0.1:7700, https://learner:7700 or \
             unix:/run/troop.sock"
        )
    };
    if Address::names_unix(&url) {
        let socket: Address = url
            .parse()
            .map_err(|error| unusable(format!("cannot be used ({error})")))?;
        return Endpoint::from_shared(socket.to_string())
            .map_err(|error| unusable(format!("cannot be read ({error})")));
    }
    if !url.starts_with(PLAIN) && !url.starts_with(ENCRYPTED) {
        return Err(unusable(
            "does not start with http://, https:// or unix:".into(),
        ));
    }
    Endpoint::from_shared(url.clone())
        .map_err(|error| unusable(format!("cannot be read ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_cannot_work_are_refused_with_an_example() {
        let check = |url: &str, works: bool| {
            let result = Dial::check_url(url);
            assert_eq!(result.is_ok(), works, "{url}");
            if let Err(error) = result {
                assert!(error.contains("expected e.g."), "{error}");
            }
        };
        check("http://127.0.0.1:7700", true);
        check("learner:7700", true);
        check("https://learner:7700", true);
        check("unix:/run/troop.sock", true);
        check("unix:///run/troop.sock", true);
        check("unix:troop.sock", false);
        check("ftp://learner:7700", false);
        check("http://", false);
        check("not an address", false);
    }

    #[test]
    fn tls_goes_with_https_and_with_nothing_else() {
        let check = |url: &str, has_tls: bool, works: bool| {
            let result = Dial::check_tls(url, has_tls);
            assert_eq!(result.is_ok(), works, "{url} {has_tls}");
            if let Err(error) = result {
                assert!(error.contains(url) && error.contains("--tls-ca"), "{error}");
            }
        };
        for plain in [
            "learner:7700",
            "http://learner:7700",
            "unix:/run/troop.sock",
        ] {
            check(plain, false, true);
            check(plain, true, false);
        }
        check("https://learner:7700", true, true);
        check("https://learner:7700", false, false);
    }
}
