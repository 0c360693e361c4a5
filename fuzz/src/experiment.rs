//! An experiment's TOML: what is accepted can be written, and says the same again.

use troop_common::experiment::Experiment;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(experiment) = Experiment::from_toml(text) {
        let written = experiment.to_toml().expect("what was read can be written");
        let again = Experiment::from_toml(&written).expect("what was written can be read");
        assert_eq!(again, experiment);
    }
}
