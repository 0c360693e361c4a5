//! What both sides of a TLS connection do for its speed.

use rustls::CipherSuite;
use rustls::crypto::{CryptoProvider, ring};

/// Makes AES-128-GCM this process's first choice. rustls begins with AES-256-GCM, whose four more rounds a block are a
/// fifth of what a gradient's encryption costs and protect from nothing that is known.
pub fn prefer_fast_suites() {
    let mut provider = ring::default_provider();
    let is_first = |suite: &rustls::SupportedCipherSuite| {
        suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256
    };
    provider.cipher_suites.sort_by_key(|suite| !is_first(suite));
    // A process that has a choice of its own keeps it.
    let _ = CryptoProvider::install_default(provider);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aes_128_comes_first_and_nothing_is_lost() {
        prefer_fast_suites();
        let suites = &CryptoProvider::get_default().unwrap().cipher_suites;
        assert_eq!(suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert_eq!(suites.len(), ring::default_provider().cipher_suites.len());
    }
}
