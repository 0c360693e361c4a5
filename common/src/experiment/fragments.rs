//! What each layer says, as written: nothing is checked here but syntax.

use std::ffi::OsString;

use super::ConfigError;
use super::layer::Fragment;

/// Begins every environment variable that sets a key.
const PREFIX: &str = "TROOP__";

/// Separates the variable's sections and key.
const SEPARATOR: &str = "__";

/// The part that a TOML text is.
pub(super) fn of_text(text: &str, origin: &str) -> Result<Fragment, ConfigError> {
    let syntax = |error: toml::de::Error| ConfigError::Syntax {
        origin: origin.into(),
        message: error.to_string(),
    };
    let table = text.parse::<toml::Table>().map_err(syntax)?;
    Ok(Fragment {
        table,
        origin: origin.into(),
    })
}

/// A part for each `TROOP__SECTION__KEY` among the variables, in the order of their names.
pub(super) fn of_environment(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    problems: &mut Vec<String>,
) -> Vec<Fragment> {
    let mut named = Vec::new();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        match value.into_string() {
            Ok(value) => named.push((name.to_owned(), value)),
            Err(_) => problems.push(format!("the value of environment {name} is not UTF-8")),
        }
    }
    named.sort();
    let part = |(name, value): (String, String)| {
        let path = name[PREFIX.len()..].to_lowercase();
        let path: Vec<&str> = path.split(SEPARATOR).collect();
        Fragment {
            table: nest(&path, typed(&value)),
            origin: format!("environment {name}"),
        }
    };
    named.into_iter().map(part).collect()
}

/// A part for each `section.key=value`, in their order.
pub(super) fn of_overrides(overrides: &[String], problems: &mut Vec<String>) -> Vec<Fragment> {
    let mut parts = Vec::new();
    for text in overrides {
        match text.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                let path: Vec<&str> = key.trim().split('.').collect();
                parts.push(Fragment {
                    table: nest(&path, typed(value)),
                    origin: "--set".into(),
                });
            }
            _ => problems.push(format!("--set `{text}`: expected `section.key=value`")),
        }
    }
    parts
}

/// A TOML value if the text is one, else the text itself.
fn typed(text: &str) -> toml::Value {
    let text = text.trim();
    text.parse()
        .unwrap_or_else(|_| toml::Value::String(text.into()))
}

fn nest(path: &[&str], value: toml::Value) -> toml::Table {
    let nested = path.iter().rev().fold(value, |inner, key| {
        toml::Value::Table(toml::Table::from_iter([((*key).to_owned(), inner)]))
    });
    match nested {
        toml::Value::Table(table) => table,
        _ => toml::Table::new(),
    }
}
