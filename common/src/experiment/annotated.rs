use std::fmt::Write;

use super::keys::{Keys, Kind, child};
use super::{ConfigError, Resolved};

/// Width of the assignments, before the origins.
const WIDTH: usize = 42;

impl Resolved {
    /// The experiment as TOML with each key's origin as a comment; it resolves to the same.
    ///
    /// # Errors
    /// If a number does not fit TOML's signed 64 bits.
    pub fn to_annotated_toml(&self) -> Result<String, ConfigError> {
        let tree = self.experiment.to_table()?;
        let mut text = String::new();
        if let Some(keys) = Keys::of_method(self.experiment.method.name()) {
            self.section(&tree, &[], &keys, &mut text);
        }
        Ok(text)
    }

    fn section(&self, table: &toml::Table, path: &[String], keys: &Keys, text: &mut String) {
        let mut sections = Vec::new();
        let mut header = (!path.is_empty()).then(|| format!("[{}]\n", path.join(".")));
        for (key, value) in table {
            let path = child(path, key);
            match (keys.kind(&path), value) {
                (Kind::Section | Kind::Free, toml::Value::Table(inner)) => {
                    sections.push((path, inner));
                }
                _ => {
                    if let Some(header) = header.take() {
                        let gap = if text.is_empty() { "" } else { "\n" };
                        text.push_str(gap);
                        text.push_str(&header);
                    }
                    self.line(&path, key, value, text);
                }
            }
        }
        for (path, inner) in sections {
            self.section(inner, &path, keys, text);
        }
    }

    fn line(&self, path: &[String], key: &str, value: &toml::Value, text: &mut String) {
        let assignment = format!("{} = {value}", quoted(key));
        let origin = self
            .origins
            .get(&path.join("."))
            .map_or("default", String::as_str);
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{assignment:<WIDTH$}  # {origin}");
    }
}

/// The key as TOML wants it.
fn quoted(key: &str) -> String {
    let bare = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    if !key.is_empty() && key.chars().all(bare) {
        return key.into();
    }
    toml::Value::String(key.into()).to_string()
}
