use serde::Deserialize;

use super::keys::is_choice;
use super::layer::Assignment;
use super::optional::OR_NONE;
use super::{Experiment, suggestion};

/// What is wrong with the type or the variant of one value, given the method's name.
pub(super) fn problem(method: &str, assignment: &Assignment) -> Option<String> {
    let error = rejection(method, &assignment.path, assignment.value.clone())?;
    let choice = is_choice(&assignment.key());
    match &assignment.value {
        toml::Value::Table(table) if choice && table.len() == 1 => {
            let (variant, inner) = table.iter().next()?;
            let key = assignment.key();
            if error.starts_with("unknown variant") {
                return Some(describe(&key, assignment, &assignment.value, &error));
            }
            Some(describe(
                &format!("{key}.{variant}"),
                assignment,
                inner,
                &error,
            ))
        }
        found if choice => {
            let variants = variants(method, &assignment.path);
            let error = format!("one only, expected a table with exactly one of {variants}");
            Some(describe(&assignment.key(), assignment, found, &error))
        }
        found => Some(describe(&assignment.key(), assignment, found, &error)),
    }
}

/// A value as messages show it.
pub(super) fn found(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("string {text:?}"),
        toml::Value::Integer(number) => format!("integer {number}"),
        toml::Value::Float(_) => format!("float {value}"),
        toml::Value::Boolean(flag) => format!("boolean {flag}"),
        toml::Value::Datetime(time) => format!("date {time}"),
        toml::Value::Array(_) => format!("list {value}"),
        toml::Value::Table(_) => format!("table {value}"),
    }
}

/// What serde says to an experiment that holds nothing but this value, unless it takes it.
fn rejection(method: &str, path: &[String], value: toml::Value) -> Option<String> {
    let named = toml::Table::from_iter([("name".to_owned(), method.into())]);
    let mut root = toml::Table::from_iter([("method".to_owned(), toml::Value::Table(named))]);
    insert(&mut root, path, value);
    let error = Experiment::deserialize(toml::Value::Table(root)).err()?;
    Some(error.message().to_owned())
}

fn insert(table: &mut toml::Table, path: &[String], value: toml::Value) {
    match path {
        [] => {}
        [key] => {
            table.insert(key.clone(), value);
        }
        [section, rest @ ..] => {
            let empty = || toml::Value::Table(toml::Table::new());
            if let toml::Value::Table(inner) = table.entry(section.clone()).or_insert_with(empty) {
                insert(inner, rest, value);
            }
        }
    }
}

/// The variants of a choice, as serde names them to an unknown one.
fn variants(method: &str, path: &[String]) -> String {
    let nobody = toml::Table::from_iter([(String::new(), toml::Value::Boolean(false))]);
    let error = rejection(method, path, toml::Value::Table(nobody)).unwrap_or_default();
    error
        .rsplit_once(", expected ")
        .map(|(_, names)| names.to_owned())
        .unwrap_or_default()
}

fn describe(key: &str, assignment: &Assignment, value: &toml::Value, error: &str) -> String {
    let origin = &assignment.origin;
    match expectation(error) {
        Some(expected) => {
            let hint = hint(&expected, value);
            format!(
                "`{key}` in {origin}: expected {expected}, found {}{hint}",
                found(value)
            )
        }
        None => format!("`{key}` in {origin}: {error}, found {}", found(value)),
    }
}

/// What serde expected, in the user's words rather than Rust's.
fn expectation(error: &str) -> Option<String> {
    if error.starts_with("unknown field") || error.starts_with("missing field") {
        return None;
    }
    let or_none = if error.ends_with(OR_NONE) {
        OR_NONE
    } else {
        ""
    };
    let error = error.strip_suffix(or_none).unwrap_or(error);
    let expected = match error.rsplit_once(", expected ") {
        Some((_, expected)) => expected,
        None if error.contains("socket address") => "socket address",
        None => return None,
    };
    let words = match expected {
        "usize" | "u64" => "a whole number, 0 or more",
        "u32" => "a whole number from 0 to 4294967295",
        "f32" | "f64" => "a number",
        "a sequence" => "a list",
        "a map" => "a table",
        "path string" => "a path",
        "socket address" => "an address such as `127.0.0.1:7700`",
        other => other.strip_prefix("one of ").unwrap_or(other),
    };
    Some(format!("{words}{or_none}"))
}

/// Names the likeliest of the expected words for a misspelt one.
fn hint(expected: &str, value: &toml::Value) -> String {
    let words: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    let word = match value {
        toml::Value::String(text) => Some(text.as_str()),
        toml::Value::Table(table) if table.len() == 1 => table.keys().next().map(String::as_str),
        _ => None,
    };
    match word.and_then(|word| suggestion::nearest(word, &words)) {
        Some(nearest) => format!("; did you mean `{nearest}`?"),
        None => String::new(),
    }
}
