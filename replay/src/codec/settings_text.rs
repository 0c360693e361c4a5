use crate::settings::ReplaySettings;

/// Settings that cannot be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the settings of a replay: {0}")]
pub struct SettingsError(String);

/// A replay's settings as TOML.
///
/// # Errors
/// If TOML has no such numbers.
pub fn settings_to_text(settings: &ReplaySettings) -> Result<String, SettingsError> {
    toml::to_string(settings).map_err(|error| SettingsError(error.to_string()))
}

/// Reads them. Whether there can be such a replay is another question.
///
/// # Errors
/// If it is not TOML of a replay's settings.
pub fn settings_from_text(text: &str) -> Result<ReplaySettings, SettingsError> {
    toml::from_str(text).map_err(|error| SettingsError(error.message().to_owned()))
}

/// The first number or name in which `found` is not what was `expected`, with both values; none if they agree, or TOML has no
/// such numbers.
pub fn settings_difference(expected: &ReplaySettings, found: &ReplaySettings) -> Option<String> {
    let value = |settings| toml::Value::try_from(settings).ok();
    difference("", &value(expected)?, Some(&value(found)?))
}

fn difference(key: &str, expected: &toml::Value, found: Option<&toml::Value>) -> Option<String> {
    if let (toml::Value::Table(expected), Some(toml::Value::Table(found))) = (expected, found) {
        let missing = found.iter().find(|(name, _)| !expected.contains_key(*name));
        let missing =
            missing.map(|(name, found)| format!("{} is {found}, expected none", under(key, name)));
        let mut differences = expected.iter().filter_map(|(name, expected)| {
            difference(&under(key, name), expected, found.get(name))
        });
        return differences.next().or(missing);
    }
    let found_text = found.map_or_else(|| "none".into(), ToString::to_string);
    (Some(expected) != found).then(|| format!("{key} is {found_text}, expected {expected}"))
}

fn under(key: &str, name: &str) -> String {
    match key {
        "" => name.into(),
        _ => format!("{key}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

    use super::*;
    use crate::settings::{ItemKind, Pace, SamplesPerInsert, TableKind};

    fn settings() -> ReplaySettings {
        ReplaySettings {
            spaces: Spaces {
                observation: ObservationSpace {
                    shape: vec![4],
                    element: ElementType::F32,
                },
                action: ActionSpace::Discrete { n: 2 },
            },
            stack: 1,
            behaviour_len: 2,
            state_len: 0,
            most_environments: 8,
            most_environments_per_writer: 4,
            most_env_steps_per_append: 16,
            most_items_per_draw: 32,
            bytes: 1_000_000,
            max_age_versions: 0,
            items: ItemKind::Transitions {
                n_step: 3,
                discount: 0.5,
            },
            table: TableKind::Uniform {
                pace: Pace {
                    start_env_steps: 100,
                    samples_per_insert: None,
                },
            },
        }
    }

    #[test]
    fn a_difference_is_named_with_both_values() {
        let differs = |change: fn(&mut ReplaySettings)| {
            let mut found = settings();
            change(&mut found);
            let there = settings_difference(&settings(), &found);
            let back = settings_difference(&found, &settings());
            (there.unwrap_or_default(), back.unwrap_or_default())
        };
        assert_eq!(differs(|_| ()), (String::new(), String::new()));
        let of_items = differs(|it| {
            it.items = ItemKind::Transitions {
                n_step: 5,
                discount: 0.5,
            };
        });
        assert_eq!(of_items.0, "items.n_step is 5, expected 3");
        assert_eq!(of_items.1, "items.n_step is 3, expected 5");
        let of_spaces = differs(|it| it.spaces.observation.shape = vec![2, 2]);
        assert_eq!(
            of_spaces.0,
            "spaces.observation.shape is [2, 2], expected [4]"
        );
        let of_pace = differs(|it| {
            it.table = TableKind::Uniform {
                pace: Pace {
                    start_env_steps: 100,
                    samples_per_insert: Some(SamplesPerInsert {
                        ratio: 2.0,
                        band_env_steps: 64.0,
                    }),
                },
            };
        });
        let key = "table.pace.samples_per_insert";
        assert!(
            of_pace.0.starts_with(&format!("{key} is {{")) && of_pace.0.ends_with("expected none"),
            "{of_pace:?}"
        );
        assert!(
            of_pace
                .1
                .starts_with(&format!("{key} is none, expected {{")),
            "{of_pace:?}"
        );
    }
}
