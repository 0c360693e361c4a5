//! What a port speaks, for errors: a client that speaks another protocol is told little of use by
//! its transport.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What begins every HTTP/2 connection.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// First byte of TLS's answer to what is no TLS: its alert.
const TLS_ALERT: u8 = 0x15;

/// Somebody who does not answer in this time answers nothing.
const LIMIT: Duration = Duration::from_secs(2);

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Plain,
    Tls,
}

/// Begins a plain connection to `host:port` and looks at the first byte that comes back; none
/// where none does.
pub(super) async fn spoken(address: &str) -> Option<Spoken> {
    let first = tokio::time::timeout(LIMIT, first_byte(address)).await;
    match first.ok()?.ok()? {
        TLS_ALERT => Some(Spoken::Tls),
        _ => Some(Spoken::Plain),
    }
}

async fn first_byte(address: &str) -> std::io::Result<u8> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(PREFACE).await?;
    stream.read_u8().await
}
