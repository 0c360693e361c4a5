//! Tokens, PEM files and addresses.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use troop_common::address::Address;
use troop_common::experiment::SecuritySettings;
use troop_common::pem;
use troop_common::serving::ServerTls;
use troop_common::token::BearerToken;

use super::bytes_in::BytesIn;
use super::scratch::Scratch;

static FILES: LazyLock<Scratch> = LazyLock::new(Scratch::new);

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    match input.byte() {
        0 => files(&mut input),
        _ => texts(&mut input),
    }
}

fn texts(input: &mut BytesIn<'_>) {
    let (token, header) = (input.part(), input.0);
    let text = String::from_utf8_lossy(token);
    if let Some(token) = BearerToken::new(&text) {
        assert!(token.admits(Some(token.header().as_bytes())));
        if token.admits(Some(header)) {
            assert!(header.ends_with(text.as_bytes()), "{header:?} is admitted");
        }
    }
    if let Ok(address) = text.parse::<Address>() {
        assert_eq!(address.to_string().parse(), Ok(address));
    }
}

fn files(input: &mut BytesIn<'_>) {
    let path = |name: &str| -> PathBuf { FILES.path(name) };
    for name in ["certificate", "key", "ca"] {
        fs::write(path(name), input.part()).expect("memory can be written");
    }
    let _ = pem::certificates("certificate", &path("certificate"));
    let _ = BearerToken::read(&path("key"));
    let _ = ServerTls::read(&SecuritySettings {
        tls_certificate_file: Some(path("certificate")),
        tls_key_file: Some(path("key")),
        tls_client_ca_file: Some(path("ca")),
        ..SecuritySettings::default()
    });
}
