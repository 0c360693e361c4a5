//! `--set section.key=value`, one a line, over a preset.

use troop_common::experiment::{Experiment, PRESETS, resolve};

use super::bytes_in::BytesIn;

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let preset = PRESETS[input.byte() % PRESETS.len()].name;
    let Ok(text) = std::str::from_utf8(input.0) else {
        return;
    };
    let overrides: Vec<String> = text.lines().map(str::to_owned).collect();
    match resolve(preset, &overrides) {
        Ok(resolved) => {
            let written = resolved.experiment.to_toml().expect("it can be written");
            let again = Experiment::from_toml(&written).expect("it can be read");
            assert_eq!(again, resolved.experiment);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
