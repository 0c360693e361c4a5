use super::{Experiment, MethodSettings};

/// Keys that hold one of several variants, `{ variant = value }`: a layer replaces them whole.
const CHOICES: [&str; 2] = ["learner.publish", "method.target_sync"];

/// The section whose keys are the environment's own.
const FREE: &str = "environment.kwargs";

/// What stands at a dotted path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table of known keys.
    Section,
    /// A table of any keys.
    Free,
    /// A value, taken whole from the highest layer that has it.
    Value,
    /// Nothing that an experiment has.
    Unknown,
}

/// The keys that an experiment with a given method has, with their defaults.
pub(super) struct Keys {
    tree: toml::Table,
}

impl Keys {
    /// The keys of an experiment with the named method.
    pub(super) fn of_method(name: &str) -> Option<Self> {
        let method = MethodSettings::default_of(name)?;
        let experiment = Experiment {
            method,
            ..Experiment::default()
        };
        Some(Self {
            tree: experiment.to_table().ok()?,
        })
    }

    /// Every key at its default.
    pub(super) fn defaults(&self) -> &toml::Table {
        &self.tree
    }

    /// What stands at a path.
    pub(super) fn kind(&self, path: &[String]) -> Kind {
        let dotted = path.join(".");
        if dotted == FREE {
            return Kind::Free;
        }
        if path.len() == 3 && dotted.starts_with(&format!("{FREE}.")) {
            return Kind::Value;
        }
        match self.find(path) {
            None => Kind::Unknown,
            Some(toml::Value::Table(_)) if !is_choice(&dotted) => Kind::Section,
            Some(_) => Kind::Value,
        }
    }

    /// The keys of a section, or of the whole for an empty path.
    pub(super) fn children(&self, section: &[String]) -> Vec<&str> {
        let table = match section {
            [] => Some(&self.tree),
            _ => self.find(section).and_then(toml::Value::as_table),
        };
        table
            .into_iter()
            .flat_map(toml::Table::keys)
            .map(String::as_str)
            .collect()
    }

    /// The dotted path of a key that stands in another section under the same name.
    pub(super) fn elsewhere(&self, key: &str) -> Option<String> {
        self.tree.iter().find_map(|(section, content)| {
            content
                .as_table()?
                .contains_key(key)
                .then(|| format!("{section}.{key}"))
        })
    }

    /// The default at a path.
    pub(super) fn find(&self, path: &[String]) -> Option<&toml::Value> {
        let (last, sections) = path.split_last()?;
        let mut table = &self.tree;
        for section in sections {
            table = table.get(section)?.as_table()?;
        }
        table.get(last)
    }
}

/// Whether a key holds one of several variants.
pub(super) fn is_choice(dotted: &str) -> bool {
    CHOICES.contains(&dotted)
}

/// The path of a key in a section.
pub(super) fn child(section: &[String], key: &str) -> Vec<String> {
    section.iter().cloned().chain([key.to_owned()]).collect()
}
