//! Connections that will never be of use: one side speaks TLS and the other does not, or one does
//! not trust the other. Waiting changes none of it, so a worker is told what to do and ends.

use std::error::Error;
use std::io;

use tonic::transport::Uri;
use troop_common::causes::with_causes;

use super::connector::Connector;
use super::endpoint::EndpointSettings;
use super::probe::{Spoken, spoken};
use super::session_end::SessionEnd;

/// What both sides of TLS call the other's last word before it closed.
const ALERT: &str = "received fatal alert";

/// How a session ends that could not connect.
pub(super) async fn of_connecting(
    settings: &EndpointSettings,
    error: tonic::transport::Error,
) -> SessionEnd {
    let reason = with_causes(&error);
    if !is_handshake(&error) {
        return SessionEnd::Lost(reason);
    }
    let advice = match speaks(settings).await {
        Some(Spoken::Plain) => "the learner there speaks no TLS: use http:// in place of https://",
        _ => {
            "--tls-ca must hold the CA that signed the learner's certificate, and the \
             certificate must name the address's host, or what --tls-domain says"
        }
    };
    SessionEnd::Refused(format!("{reason}; {advice}"))
}

/// How a session ends whose first call ended like `end`.
pub(super) async fn of_first_call(settings: &EndpointSettings, end: SessionEnd) -> SessionEnd {
    let SessionEnd::Lost(reason) = end else {
        return end;
    };
    // The learner judges an actor's certificate after the actor's side of the handshake is done.
    if reason.contains(ALERT) {
        return SessionEnd::Refused(format!(
            "{reason}; the learner wants a certificate that its `security.tls_client_ca_file` has \
             signed: name it with --tls-certificate and --tls-key"
        ));
    }
    if settings.full_url().starts_with("http://") && speaks(settings).await == Some(Spoken::Tls) {
        return SessionEnd::Refused(format!(
            "{reason}; the learner there speaks TLS: use https:// in place of http://, and --tls-ca"
        ));
    }
    SessionEnd::Lost(reason)
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
async fn speaks(settings: &EndpointSettings) -> Option<Spoken> {
    if let Connector::Custom(_) = settings.connector {
        return None;
    }
    let url: Uri = settings.full_url().parse().ok()?;
    let port = match url.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let port = url.port_u16().unwrap_or(port);
    spoken(&format!("{}:{port}", url.host()?)).await
}
