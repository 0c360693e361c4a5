//! The tables of docs/configuration.md.

use super::keys::Keys;
use super::settings::Key;
use super::{
    ActorSettings, AtariSettings, CheckpointSettings, EnvironmentSettings, EvaluateSettings,
    ExplorationSettings, LearnerSettings, MethodSettings, ModelSettings, OptimizerSettings,
    RunSettings, SecuritySettings, TelemetrySettings, TopologySettings, WireSettings,
};
use crate::markdown::markdown_row;
use crate::with_methods;

/// The keys of `section`, `environment.atari` say, or of a method, `method.a3c`, as a table in Markdown; none if there
/// is no such section.
pub fn key_table(section: &str) -> Option<String> {
    let method = section.strip_prefix("method.");
    let keys = match method {
        Some(name) => keys_of_method(name)?,
        None => keys_of_section(section)?,
    };
    let defaults = Keys::of_method(method.unwrap_or(MethodSettings::default().name()))?;
    let section = if method.is_some() { "method" } else { section };
    let mut table = markdown_row(&["key", "type", "default", "unit", "meaning"]);
    table += "|---|---|---|---|---|\n";
    if let Some(name) = method {
        let name = format!("`\"{name}\"`");
        table += &markdown_row(&["`method.name`", &name, &name, "", "The method"]);
    }
    table.extend(keys.iter().filter_map(|key| row(section, key, &defaults)));
    Some(table)
}

fn row(section: &str, key: &Key, defaults: &Keys) -> Option<String> {
    let kind = (key.kind)()?;
    let name = format!("{section}.{}", key.name);
    let path: Vec<String> = name.split('.').map(str::to_owned).collect();
    let default = format!("`{}`", defaults.find(&path)?);
    let meaning = key.meaning.trim().trim_end_matches('.');
    let name = format!("`{name}`");
    Some(markdown_row(&[&name, &kind, &default, key.unit, meaning]))
}

fn keys_of_section(section: &str) -> Option<&'static [Key]> {
    Some(match section {
        "experiment" => RunSettings::KEYS,
        "experiment.evaluate" => EvaluateSettings::KEYS,
        "environment" => EnvironmentSettings::KEYS,
        "environment.atari" => AtariSettings::KEYS,
        "model" => ModelSettings::KEYS,
        "exploration" => ExplorationSettings::KEYS,
        "optimizer" => OptimizerSettings::KEYS,
        "learner" => LearnerSettings::KEYS,
        "actor" => ActorSettings::KEYS,
        "topology" => TopologySettings::KEYS,
        "wire" => WireSettings::KEYS,
        "checkpoint" => CheckpointSettings::KEYS,
        "telemetry" => TelemetrySettings::KEYS,
        "security" => SecuritySettings::KEYS,
        _ => return None,
    })
}

macro_rules! keys_of_method {
    ($($(#[$doc:meta])* $method:ident($settings:ident) = $name:literal,)*) => {
        fn keys_of_method(name: &str) -> Option<&'static [Key]> {
            match name {
                $($name => Some(super::$settings::KEYS),)*
                _ => None,
            }
        }
    };
}

with_methods!(keys_of_method);
