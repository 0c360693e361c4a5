//! When a certificate is valid.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use x509_parser::pem::Pem;

/// A certificate that ends sooner than this is to be renewed.
const SOON: Duration = Duration::from_secs(14 * 24 * 3600);

/// What is wrong with the times of the first certificate of a PEM file, if something is: workers refuse one
/// that is not valid.
pub(super) fn complaint(pem: &[u8], now: SystemTime) -> Option<String> {
    let pem = Pem::iter_from_buffer(pem).next()?.ok()?;
    let validity = pem.parse_x509().ok()?.validity().clone();
    let seconds = |moment: SystemTime| {
        let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_secs() as i64
    };
    let (begins, ends) = (validity.not_before, validity.not_after);
    if seconds(now) < begins.timestamp() {
        return Some(format!(
            "is not valid before {begins}: workers will refuse it"
        ));
    }
    if ends.timestamp() < seconds(now) {
        return Some(format!(
            "has expired at {ends}: workers will refuse it; renew it"
        ));
    }
    let soon = ends.timestamp() < seconds(now + SOON);
    soon.then(|| format!("expires at {ends}; renew it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_valid_now_or_not_for_long_is_said() {
        let mut parameters = rcgen::CertificateParams::new(["learner".to_owned()]).unwrap();
        parameters.not_before = rcgen::date_time_ymd(2030, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2030, 3, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        let day = |days: u64| UNIX_EPOCH + Duration::from_secs((21_915 + days) * 86_400);
        let check = |days, expected: Option<&str>| {
            let found = complaint(pem.as_bytes(), day(days));
            match expected {
                None => assert_eq!(found, None),
                Some(text) => assert!(found.clone().unwrap().contains(text), "{found:?}"),
            }
        };
        // 2030-01-01 is day 21 915.
        assert!(
            complaint(pem.as_bytes(), UNIX_EPOCH)
                .unwrap()
                .contains("not valid before")
        );
        check(1, None);
        check(50, Some("expires at"));
        check(60, Some("has expired at"));
        assert_eq!(complaint(b"no PEM", day(1)), None);
    }
}
