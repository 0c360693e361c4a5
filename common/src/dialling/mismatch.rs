//! Connections that will never be of use: one side speaks TLS and the other does not, or one does
//! not trust the other. Waiting changes none of it, so a worker is told what to do and ends.

use std::error::Error;
use std::io;

use crate::causes::with_causes;
use tonic::transport::Uri;

use super::connector::Connector;
use super::no_connection::NoConnection;
use super::probe::{Spoken, spoken};

/// Whom a caller tries to reach.
#[derive(Clone, Copy)]
pub(super) struct Called<'a> {
    /// The address with its scheme.
    pub(super) url: &'a str,
    pub(super) connector: &'a Connector,
}

/// What both sides of TLS call the other's last word before it closed.
const ALERT: &str = "received fatal alert";

/// What it means that a connection was not made.
pub(super) async fn of_connecting(
    called: Called<'_>,
    error: tonic::transport::Error,
) -> NoConnection {
    let reason = with_causes(&error);
    if !is_handshake(&error) {
        return NoConnection::Passing(reason);
    }
    let advice = match speaks(called).await {
        Some(Spoken::Plain) => "the learner there speaks no TLS: use http:// in place of https://",
        _ => {
            "--tls-ca must hold the CA that signed the learner's certificate, and the \
             certificate must name the address's host, or what --tls-domain says"
        }
    };
    NoConnection::Lasting(format!("{reason}; {advice}"))
}

/// What it means that the first call of a connection was lost for `reason`.
pub(super) async fn of_first_call(called: Called<'_>, reason: String) -> NoConnection {
    // The learner judges an actor's certificate after the actor's side of the handshake is done.
    if reason.contains(ALERT) {
        return NoConnection::Lasting(format!(
            "{reason}; the learner wants a certificate that its `security.tls_client_ca_file` has \
             signed: name it with --tls-certificate and --tls-key"
        ));
    }
    if called.url.starts_with("http://") && speaks(called).await == Some(Spoken::Tls) {
        return NoConnection::Lasting(format!(
            "{reason}; the learner there speaks TLS: use https:// in place of http://, and --tls-ca"
        ));
    }
    NoConnection::Passing(reason)
}

/// TLS says what is wrong with data where others say what is wrong with a connection.
fn is_handshake(error: &tonic::transport::Error) -> bool {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source()).any(|cause| {
        let io: Option<&io::Error> = cause.downcast_ref();
        io.is_some_and(|io| io.kind() == io::ErrorKind::InvalidData)
    })
}

/// What is spoken there; none where that is not on the system's network.
async fn speaks(called: Called<'_>) -> Option<Spoken> {
    if let Connector::Custom(_) = called.connector {
        return None;
    }
    let url: Uri = called.url.parse().ok()?;
    let port = match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let port = url.port_u16().unwrap_or(port);
    spoken(&format!("{}:{port}", url.host()?)).await
}
