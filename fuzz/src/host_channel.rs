//! What a Gymnasium host tells its actor at the start, a JSON line each.

use troop_common::experiment::EnvironmentSettings;

use super::handshake::{Offer, Ready, Reply, check_kwargs, element_size};

/// Environments of the host.
const ENVIRONMENTS: usize = 16;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let (first, second) = match data.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&data[..end], &data[end + 1..]),
        None => (data, &[][..]),
    };
    match serde_json::from_slice(first) {
        Ok(Reply::<Offer>::Message(offer)) => {
            let sizes = offer.check_sizes(ENVIRONMENTS);
            let spaces = offer.spaces();
            if sizes.is_ok() {
                // As the arrays' sizes are counted.
                let bytes = spaces.observation.len() * element_size(spaces.observation.element);
                let most = ENVIRONMENTS * bytes.max(spaces.action.choices()) * size_of::<i64>();
                assert!(most < 1 << 48);
            }
            let action = serde_json::to_string(&spaces.action).expect("it can be written");
            assert!(action.contains("kind"), "{action}");
        }
        Ok(Reply::Failure(failure)) => drop((failure.error, failure.hint, failure.traceback)),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    if let Ok(Reply::<Ready>::Failure(failure)) = serde_json::from_slice(second) {
        drop(failure.error);
    }
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(kwargs) = text.parse::<toml::Table>()
    {
        let settings = EnvironmentSettings {
            kwargs,
            ..EnvironmentSettings::default()
        };
        if check_kwargs(&settings).is_err() {
            return;
        }
        serde_json::to_string(&settings.kwargs).expect("what was checked has an equal in JSON");
    }
}
