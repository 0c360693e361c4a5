use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use config::ValueKind;
use serde::{Deserialize, Serialize};

use super::checker::Checker;
use super::keys::{Keys, Kind, child};
use super::layer::{Assignment, Fragment, Layer};
use super::{ConfigError, Experiment, MethodSettings, Preset, earlier, fragments, value_check};

/// The origin of a value that nothing sets.
const DEFAULT: &str = "default";

/// An experiment and where each of its values comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Resolved {
    /// What all layers together say.
    pub experiment: Experiment,
    /// By dotted key: `default`, `preset NAME`, `file PATH`, `environment TROOP__…` or `--set`.
    pub origins: BTreeMap<String, String>,
}

/// Resolves a preset's name or a file's path (anything with a slash or the ending `.toml`) in
/// layers: defaults ← preset or file ← `TROOP__SECTION__KEY` in the environment ← overrides, each
/// `section.key=value` with a TOML value, or else plain text.
///
/// A value is replaced whole; only `environment.kwargs` is merged key by key. Where a higher layer
/// switches `method.name`, keys that only the lower layer's method has are dropped.
///
/// # Errors
/// If there is no such preset or file, keys are unknown, values have a wrong type or cannot
/// work (see [`Experiment::validate`]); everything that is wrong is named at once.
pub fn resolve(source: &str, overrides: &[String]) -> Result<Resolved, ConfigError> {
    resolve_with(source, overrides, std::env::vars_os())
}

/// [`resolve`] of a run's own `experiment.toml`: keys that came after the run mean there what was before them.
///
/// # Errors
/// As there.
pub fn resolve_run(file: &Path, overrides: &[String]) -> Result<Resolved, ConfigError> {
    let base = base(&file.to_string_lossy())?;
    let lower = vec![earlier::layer()?, vec![base]];
    over(lower, overrides, std::env::vars_os())
}

/// [`resolve`] with given environment variables.
pub(super) fn resolve_with(
    source: &str,
    overrides: &[String],
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Resolved, ConfigError> {
    over(vec![vec![base(source)?]], overrides, variables)
}

/// Lays the environment and overrides over lower layers, and checks what comes of it.
fn over(
    mut layers: Vec<Vec<Fragment>>,
    overrides: &[String],
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Resolved, ConfigError> {
    let mut problems = Vec::new();
    layers.push(fragments::of_environment(variables, &mut problems));
    layers.push(fragments::of_overrides(overrides, &mut problems));
    let resolved = merge(&layers, problems)?;
    let validity = resolved.experiment.validate();
    validity.map_err(|violations| violations.with_origins(&resolved.origins))?;
    Ok(resolved)
}

/// Merges layers, lowest first, over the defaults; values are not validated yet.
pub(super) fn merge(
    layers: &[Vec<Fragment>],
    problems: Vec<String>,
) -> Result<Resolved, ConfigError> {
    let methods = methods(layers);
    let method = methods
        .last()
        .copied()
        .unwrap_or(MethodSettings::default().name());
    let Some(keys) = Keys::of_method(method) else {
        return Err(ConfigError::Problems(vec![unknown_method(method, layers)]));
    };
    let mut checker = Checker::new(&keys, method, problems);
    let mut values = vec![Layer(defaults(&keys))];
    for (fragments, own_method) in layers.iter().zip(methods) {
        values.push(checker.layer(fragments, Keys::of_method(own_method).as_ref()));
    }
    let problems = checker.into_problems();
    if !problems.is_empty() {
        return Err(ConfigError::Problems(problems));
    }
    assemble(values, &keys)
}

/// Loads the preset or the file.
fn base(source: &str) -> Result<Fragment, ConfigError> {
    if !source.contains('/') && !source.ends_with(".toml") {
        let preset = Preset::find(source)?;
        return fragments::of_text(preset.text, &format!("preset {source}"));
    }
    let path = Path::new(source);
    let read = |error| ConfigError::Read {
        path: path.into(),
        source: error,
    };
    let text = std::fs::read_to_string(path).map_err(read)?;
    fragments::of_text(&text, &format!("file {source}"))
}

/// The method's name in effect at each layer.
fn methods(layers: &[Vec<Fragment>]) -> Vec<&str> {
    let mut name = MethodSettings::default().name();
    let mut names = Vec::new();
    for parts in layers {
        name = parts
            .iter()
            .filter_map(method_name)
            .next_back()
            .unwrap_or(name);
        names.push(name);
    }
    names
}

fn method_name(part: &Fragment) -> Option<&str> {
    part.table.get("method")?.get("name")?.as_str()
}

fn unknown_method(method: &str, layers: &[Vec<Fragment>]) -> String {
    let mut parts = layers.iter().flatten().rev();
    let origin = parts
        .find(|part| method_name(part) == Some(method))
        .map(|part| &part.origin);
    let assignment = Assignment {
        path: vec!["method".into(), "name".into()],
        value: method.into(),
        origin: origin.cloned().unwrap_or_default(),
    };
    value_check::problem(MethodSettings::default().name(), &assignment).unwrap_or_default()
}

fn defaults(keys: &Keys) -> Vec<Assignment> {
    let mut values = Vec::new();
    let mut sections = vec![(Vec::new(), keys.defaults())];
    while let Some((section, table)) = sections.pop() {
        for (key, value) in table {
            let path = child(&section, key);
            match (keys.kind(&path), value) {
                (Kind::Section, toml::Value::Table(inner)) => sections.push((path, inner)),
                (Kind::Value, _) => values.push(Assignment {
                    path,
                    value: value.clone(),
                    origin: DEFAULT.into(),
                }),
                _ => {}
            }
        }
    }
    values
}

/// Lays the layers over each other; a key's value is the highest layer's, whole.
fn assemble(mut layers: Vec<Layer>, keys: &Keys) -> Result<Resolved, ConfigError> {
    for index in 0..layers.len() {
        let (lower, higher) = layers.split_at_mut(index + 1);
        let overridden = |path: &[String]| higher.iter().any(|layer| layer.has(path));
        lower[index]
            .0
            .retain(|assignment| !overridden(&assignment.path));
    }
    let builder = config::Config::builder();
    let merged = layers
        .into_iter()
        .fold(builder, |builder, layer| builder.add_source(layer));
    let merged = merged.build()?;
    let mut origins = BTreeMap::new();
    collect_origins(&merged.cache, &mut Vec::new(), keys, &mut origins);
    let tree: toml::Table = merged.try_deserialize()?;
    let experiment = Experiment::deserialize(toml::Value::Table(tree))
        .map_err(|error| ConfigError::Problems(vec![error.message().to_owned()]))?;
    Ok(Resolved {
        experiment,
        origins,
    })
}

fn collect_origins(
    value: &config::Value,
    path: &mut Vec<String>,
    keys: &Keys,
    origins: &mut BTreeMap<String, String>,
) {
    match &value.kind {
        ValueKind::Table(table) if path.is_empty() || keys.kind(path) != Kind::Value => {
            for (key, inner) in table {
                path.push(key.clone());
                collect_origins(inner, path, keys, origins);
                path.pop();
            }
        }
        _ => {
            origins.insert(path.join("."), origin(value).unwrap_or(DEFAULT).to_owned());
        }
    }
}

/// A value's origin; a table's is that of what it holds.
fn origin(value: &config::Value) -> Option<&str> {
    match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin),
        _ => value.origin(),
    }
}
