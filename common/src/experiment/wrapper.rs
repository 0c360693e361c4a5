use serde::{Deserialize, Serialize};

/// A class that wraps an environment of Gymnasium.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrapper {
    /// `module:Class`.
    pub class: String,
    /// Its arguments behind the environment.
    #[serde(default, skip_serializing_if = "toml::Table::is_empty")]
    pub kwargs: toml::Table,
}

impl Wrapper {
    /// Whether its class is named as it has to be.
    pub(super) fn is_named(&self) -> bool {
        let names = self.class.split_once(':');
        names.is_some_and(|(module, class)| is_dotted(module) && is_dotted(class))
    }
}

/// Whether something is one of Python's names, or several with dots between them.
pub(super) fn is_dotted(name: &str) -> bool {
    let is_part = |part: &str| {
        part.chars()
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    name.split('.').all(is_part)
}
