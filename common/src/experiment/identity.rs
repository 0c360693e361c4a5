//! What a run keeps from its first life to its last.

use std::fmt;

use super::{ConfigError, Experiment};

/// What the parameters belong to. With another value of one of these a checkpoint's tensors would have
/// other shapes, or another meaning.
const IDENTITY: [&str; 19] = [
    "environment.id",
    "environment.frame_stack",
    "environment.wrappers",
    "environment.normalize_rewards",
    "environment.rescale_actions",
    "environment.atari.stack",
    "environment.atari.screen_size",
    "environment.atari.full_action_space",
    "method.name",
    "model.body",
    "model.hidden",
    "model.spatial_softmax",
    "model.activation",
    "model.lstm",
    "model.previous_step",
    "model.separate_value",
    "model.deviation",
    "model.dueling",
    "model.scale_bytes",
];

/// A key that has another value than it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The dotted key.
    pub key: &'static str,
    /// Its value in the run, as TOML.
    pub was: String,
    /// The value that is asked for, as TOML.
    pub asked: String,
}

impl fmt::Display for KeyChange {
    fn fmt(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, was, asked } = self;
        write!(text, "`{key}` is {was} in the run, {asked} was asked for")
    }
}

impl KeyChange {
    /// Those of `keys` that differ between two experiments.
    ///
    /// # Errors
    /// If one of them cannot be written as TOML.
    pub(super) fn among(
        keys: impl IntoIterator<Item = &'static str>,
        was: &Experiment,
        asked: &Experiment,
    ) -> Result<Vec<Self>, ConfigError> {
        let (was, asked) = (table(was)?, table(asked)?);
        let changes = keys.into_iter().filter_map(|key| {
            let (was, asked) = (value(&was, key), value(&asked, key));
            (was != asked).then_some(Self { key, was, asked })
        });
        Ok(changes.collect())
    }
}

impl Experiment {
    /// The keys that a run keeps, and in which `asked` differs from this experiment; none if a run of
    /// this one can go on as `asked`.
    ///
    /// # Errors
    /// If one of them cannot be written as TOML.
    pub fn identity_changes(&self, asked: &Self) -> Result<Vec<KeyChange>, ConfigError> {
        KeyChange::among(IDENTITY, self, asked)
    }
}

fn table(experiment: &Experiment) -> Result<toml::Table, ConfigError> {
    let text = experiment.to_toml()?;
    // What was just written can be read.
    Ok(text.parse().unwrap_or_default())
}

/// The value of a dotted key as TOML.
fn value(table: &toml::Table, key: &str) -> String {
    let (path, last) = key.rsplit_once('.').unwrap_or(("", key));
    let section = path
        .split('.')
        .try_fold(table, |table, name| table.get(name)?.as_table());
    let found = section.and_then(|section| section.get(last));
    found.map_or_else(|| "unset".into(), toml::Value::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{MethodSettings, Preset};

    fn cartpole() -> Experiment {
        Preset::find("cartpole").unwrap().experiment().unwrap()
    }

    #[test]
    fn what_the_parameters_do_not_belong_to_may_change() {
        let mut other = cartpole();
        other.experiment.total_env_steps = 7;
        other.experiment.seed = 9;
        other.optimizer.learning_rate = 0.5;
        other.environment.envs_per_worker = 3;
        assert_eq!(cartpole().identity_changes(&other).unwrap(), []);
    }

    #[test]
    fn a_change_names_the_key_and_both_values() {
        let mut other = cartpole();
        other.model.hidden = vec![8];
        other.model.lstm = Some(16);
        other.environment.id = "Acrobot-v1".into();
        other.method = MethodSettings::default_of("n_step_q").unwrap();
        let changes = cartpole().identity_changes(&other).unwrap();
        let texts: Vec<String> = changes.iter().map(KeyChange::to_string).collect();
        assert_eq!(
            texts,
            [
                "`environment.id` is \"CartPole-v1\" in the run, \"Acrobot-v1\" was asked for",
                "`method.name` is \"a3c\" in the run, \"n_step_q\" was asked for",
                "`model.hidden` is [64, 64] in the run, [8] was asked for",
                "`model.lstm` is \"none\" in the run, 16 was asked for",
            ]
        );
    }

    #[test]
    fn each_key_is_one_that_an_experiment_has() {
        let written = table(&cartpole()).unwrap();
        for key in IDENTITY {
            assert_ne!(value(&written, key), "unset", "{key}");
        }
    }
}
