//! Holds docs/configuration.md to the code: the same keys, types and defaults, and no others.

use std::collections::BTreeMap;

use super::keys::{Keys, Kind, child};
use super::layer::Assignment;
use super::{MethodSettings, value_check};

/// Type and default of each key, by dotted key; a method's keys by `a3c: method.t_max`.
fn documented() -> BTreeMap<String, (String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let mut method = "";
    let mut keys = BTreeMap::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("### `") {
            method = heading.split('`').next().unwrap();
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        if let ["", key, kind, default, _unit, meaning, ""] = cells[..]
            && key.starts_with('`')
        {
            assert!(!meaning.is_empty(), "{key} has no meaning");
            let key = qualified(key.trim_matches('`'), method);
            let entry = (kind.to_owned(), default.trim_matches('`').to_owned());
            assert!(
                keys.insert(key.clone(), entry).is_none(),
                "{key} is described twice"
            );
        }
    }
    keys
}

fn qualified(key: &str, method: &str) -> String {
    if key.starts_with("method.") {
        format!("{method}: {key}")
    } else {
        key.to_owned()
    }
}

/// Every key's path and default, by dotted key as above.
fn existing() -> BTreeMap<String, (Vec<String>, toml::Value)> {
    let mut found = BTreeMap::new();
    for method in MethodSettings::NAMES {
        let keys = Keys::of_method(method).unwrap();
        collect(&keys, method, &[], keys.defaults(), &mut found);
    }
    found
}

fn collect(
    keys: &Keys,
    method: &str,
    section: &[String],
    table: &toml::Table,
    found: &mut BTreeMap<String, (Vec<String>, toml::Value)>,
) {
    for (key, value) in table {
        let path = child(section, key);
        match (keys.kind(&path), value) {
            (Kind::Section, toml::Value::Table(inner)) => {
                collect(keys, method, &path, inner, found);
            }
            (Kind::Free, _) => {}
            _ => {
                found.insert(qualified(&path.join("."), method), (path, value.clone()));
            }
        }
    }
}

#[test]
fn keys_and_defaults_are_the_codes() {
    let documented: BTreeMap<String, String> = documented()
        .into_iter()
        .map(|(key, (_, default))| (key, default))
        .collect();
    let existing: BTreeMap<String, String> = existing()
        .into_iter()
        .map(|(key, (_, value))| (key, value.to_string()))
        .collect();
    assert_eq!(documented, existing);
}

#[test]
fn types_are_the_codes() {
    let documented = documented();
    for (key, (path, default)) in existing() {
        let (kind, _) = &documented[&key];
        let method = key.split_once(": ").map_or("a3c", |(method, _)| method);
        let takes = |value: toml::Value| {
            let assignment = Assignment {
                path: path.clone(),
                value,
                origin: String::new(),
            };
            value_check::problem(method, &assignment).is_none()
        };
        assert!(takes(default), "{key}: its own default");
        assert_eq!(
            takes("none".into()),
            is_text(kind) || kind.contains("`\"none\"`"),
            "{key}"
        );
        assert_eq!(
            takes(2.into()),
            kind.starts_with("integer") || is_number(kind),
            "{key}"
        );
        assert_eq!(takes(0.5.into()), is_number(kind), "{key}");
        assert_eq!(takes(true.into()), kind == "boolean", "{key}");
        assert_eq!(
            takes(toml::Value::Array(Vec::new())),
            kind == "list",
            "{key}"
        );
        assert_eq!(
            takes("[::1]:9".into()),
            is_text(kind) || kind == "address",
            "{key}"
        );
        if !["integer", "number", "text", "boolean", "list", "address"]
            .iter()
            .any(|plain| kind.starts_with(plain))
        {
            variants(&key, kind, &takes, &path, method);
        }
    }
}

fn is_text(kind: &str) -> bool {
    kind.starts_with("text")
}

fn is_number(kind: &str) -> bool {
    kind.starts_with("number")
}

/// Checks that the listed variants are taken, and that the code knows no others.
fn variants(
    key: &str,
    kind: &str,
    takes: &impl Fn(toml::Value) -> bool,
    path: &[String],
    method: &str,
) {
    let listed: Vec<&str> = kind.split('`').skip(1).step_by(2).collect();
    if key.ends_with("method.name") {
        // Each method's table has its own name only.
        assert_eq!(listed, [format!("\"{method}\"")]);
        return;
    }
    for variant in &listed {
        let value: toml::Value = variant.replace('N', "1").parse().unwrap();
        assert!(takes(value), "{key}: {variant}");
    }
    let nobody: toml::Value = match listed[0].starts_with('{') {
        true => "{ nobody = 1 }".parse().unwrap(),
        false => "nobody".into(),
    };
    let assignment = Assignment {
        path: path.to_vec(),
        value: nobody,
        origin: String::new(),
    };
    let problem = value_check::problem(method, &assignment).unwrap();
    let expected = problem.split("found").next().unwrap();
    let known = expected.matches('`').count() / 2 - 1;
    assert_eq!(known, listed.len(), "{problem}");
}
