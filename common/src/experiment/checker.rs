use super::MethodSettings;
use super::keys::{Keys, Kind, child};
use super::layer::{Assignment, Fragment, Layer};
use super::{suggestion, value_check};

/// Turns what the layers say into values of known keys, and notes everything that is wrong.
pub(super) struct Checker<'a> {
    /// The keys of the experiment's final method.
    keys: &'a Keys,
    method: &'a str,
    problems: Vec<String>,
}

impl<'a> Checker<'a> {
    /// A checker for an experiment with this method; earlier problems are kept.
    pub(super) fn new(keys: &'a Keys, method: &'a str, problems: Vec<String>) -> Self {
        Self {
            keys,
            method,
            problems,
        }
    }

    /// One layer's values. Keys that only the layer's own method knows are dropped: a higher
    /// layer has switched the method.
    pub(super) fn layer(&mut self, parts: &[Fragment], own_method: Option<&Keys>) -> Layer {
        let mut layer = Layer::default();
        for part in parts {
            self.section(&part.table, &[], &part.origin, own_method, &mut layer);
        }
        layer
    }

    /// Everything that is wrong so far.
    pub(super) fn into_problems(self) -> Vec<String> {
        self.problems
    }

    fn section(
        &mut self,
        table: &toml::Table,
        section: &[String],
        origin: &str,
        own_method: Option<&Keys>,
        layer: &mut Layer,
    ) {
        for (key, value) in table {
            let path = child(section, key);
            match (self.keys.kind(&path), value) {
                (Kind::Section | Kind::Free, toml::Value::Table(inner)) => {
                    self.section(inner, &path, origin, own_method, layer);
                }
                (Kind::Section | Kind::Free, other) => self.problems.push(format!(
                    "`{}` in {origin}: expected a table, found {}",
                    path.join("."),
                    value_check::found(other)
                )),
                (Kind::Value, _) => {
                    let value = value.clone();
                    self.assign(
                        layer,
                        Assignment {
                            path,
                            value,
                            origin: origin.into(),
                        },
                    );
                }
                (Kind::Unknown, _) => {
                    if own_method.is_none_or(|keys| keys.kind(&path) == Kind::Unknown) {
                        self.problems.push(self.unknown(&path, origin));
                    }
                }
            }
        }
    }

    /// Adds a value to its layer. The last of several `--set` of one key counts; two variables
    /// have no order.
    fn assign(&mut self, layer: &mut Layer, assignment: Assignment) {
        self.problems
            .extend(value_check::problem(self.method, &assignment));
        match layer
            .0
            .iter_mut()
            .find(|earlier| earlier.path == assignment.path)
        {
            None => layer.0.push(assignment),
            Some(earlier) if earlier.origin == assignment.origin => *earlier = assignment,
            Some(earlier) => self.problems.push(format!(
                "`{}` is set twice, in {} and in {}",
                assignment.key(),
                earlier.origin,
                assignment.origin
            )),
        }
    }

    fn unknown(&self, path: &[String], origin: &str) -> String {
        format!(
            "unknown key `{}` in {origin}; {}",
            path.join("."),
            self.advice(path)
        )
    }

    fn advice(&self, path: &[String]) -> String {
        let (word, section) = match path {
            [] => return String::new(),
            [section @ .., word] => (word.as_str(), section),
        };
        if let Some(owner) = self.other_method_with(path) {
            return format!("method `{}` does not have it, `{owner}` does", self.method);
        }
        let siblings = self.keys.children(section);
        let prefix: String = section.iter().map(|name| format!("{name}.")).collect();
        if let Some(nearest) = suggestion::nearest(word, &siblings) {
            return format!("did you mean `{prefix}{nearest}`?");
        }
        if let Some(elsewhere) = self.keys.elsewhere(word) {
            return format!("did you mean `{elsewhere}`?");
        }
        let known = suggestion::alternatives(&siblings);
        match section {
            [] => format!("expected one of the sections {known}"),
            _ => format!("`{}` has {known}", section.join(".")),
        }
    }

    fn other_method_with(&self, path: &[String]) -> Option<&'static str> {
        let has = |name: &&str| {
            Keys::of_method(name).is_some_and(|keys| keys.kind(path) != Kind::Unknown)
        };
        MethodSettings::NAMES.iter().copied().find(has)
    }
}
