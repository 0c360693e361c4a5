use std::collections::BTreeMap;
use std::fmt;

/// One value that cannot work.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The dotted key, e.g. `method.t_max`.
    pub key: String,
    /// The value found, as TOML.
    pub found: String,
    /// What is expected, and why.
    pub reason: String,
    /// Where the value comes from, when known.
    pub origin: Option<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` = {}", self.key, self.found)?;
        if let Some(origin) = &self.origin {
            write!(f, " ({origin})")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Every value of an experiment that cannot work; displayed one a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Notes a violation unless the condition holds.
    pub(super) fn expect(&mut self, holds: bool, key: &str, reason: impl Into<String>) {
        if !holds {
            let (key, reason) = (key.to_owned(), reason.into());
            self.0.push(Violation {
                key,
                found: String::new(),
                reason,
                origin: None,
            });
        }
    }

    /// Adds the values that the keys have in an experiment.
    pub(super) fn show_values(&mut self, experiment: &toml::Table) {
        for violation in &mut self.0 {
            let mut path = violation.key.split('.');
            let root = path.next().and_then(|section| experiment.get(section));
            let value = path.fold(root, |value, key| value?.get(key));
            violation.found = value.map_or_else(|| "?".into(), ToString::to_string);
        }
    }

    /// Adds where each value comes from.
    pub(super) fn with_origins(mut self, origins: &BTreeMap<String, String>) -> Self {
        for violation in &mut self.0 {
            violation.origin = origins.get(&violation.key).cloned();
        }
        self
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, violation) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}
