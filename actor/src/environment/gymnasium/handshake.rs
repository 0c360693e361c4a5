//! What an actor and a host tell each other at the start, a JSON line each.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use troop_common::experiment::{AtariSettings, EnvironmentSettings, Wrapper};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};

/// Must be the host's; see `actor/python/troop_gym_host/protocol.py`.
pub(super) const PROTOCOL: u32 = 4;

/// The actor's first line: what to run.
#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub(super) protocol: u32,
    pub(super) id: &'a str,
    pub(super) count: usize,
    pub(super) kwargs: &'a toml::Table,
    pub(super) wrappers: &'a [Wrapper],
    pub(super) imports: &'a [String],
    pub(super) atari: &'a AtariSettings,
}

/// Says which of the arguments for Python has no equal in JSON, if any.
pub(super) fn check_kwargs(settings: &EnvironmentSettings) -> Result<(), String> {
    let check = |section: &str, kwargs: &toml::Table| {
        let mut pairs = kwargs.iter();
        pairs.try_for_each(|(key, value)| check_value(&format!("{section}.{key}"), value))
    };
    check("environment.kwargs", &settings.kwargs)?;
    let mut wrappers = settings.wrappers.iter();
    wrappers.try_for_each(|wrapper| check("environment.wrappers.kwargs", &wrapper.kwargs))
}

fn check_value(key: &str, value: &toml::Value) -> Result<(), String> {
    let expected = "expected a string, a boolean, a finite number, or an array or table of these";
    match value {
        toml::Value::Float(number) if !number.is_finite() => {
            Err(format!("{key} is {number}; {expected}"))
        }
        toml::Value::Datetime(date) => Err(format!("{key} is the date {date}; {expected}")),
        toml::Value::Array(values) => values.iter().try_for_each(|value| check_value(key, value)),
        toml::Value::Table(table) => table
            .iter()
            .try_for_each(|(inner, value)| check_value(&format!("{key}.{inner}"), value)),
        _ => Ok(()),
    }
}

/// Each line of a host: a message, or why there is none.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Reply<T> {
    Message(T),
    Failure(Failure),
}

/// A failure in a host.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    /// The exception in its own words.
    pub(super) error: String,
    /// What to do about it, where the host knows.
    pub(super) hint: String,
    /// For the log.
    pub(super) traceback: String,
}

/// A host's first line: what it runs.
#[derive(Deserialize)]
pub(super) struct Offer {
    pub(super) observation: ObservationSpace,
    pub(super) action: OfferedAction,
    pub(super) frame_skip: u32,
    pub(super) arrays: BTreeMap<String, usize>,
}

/// [`ActionSpace`] as JSON can have it: an absent bound stands for infinity.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum OfferedAction {
    Discrete {
        n: usize,
    },
    MultiDiscrete {
        n: Vec<usize>,
    },
    Box {
        low: Vec<Option<f32>>,
        high: Vec<Option<f32>>,
    },
}

/// The actor's second line: where the memory is.
#[derive(Serialize)]
pub(super) struct Memory<'a> {
    pub(super) path: &'a Path,
    pub(super) offsets: BTreeMap<&'static str, usize>,
}

/// A host's second line: it has mapped the memory.
#[derive(Deserialize)]
pub(super) struct Ready {
    #[serde(rename = "protocol")]
    _protocol: u32,
}

/// Elements of all environments' observations, or choices, that a host may have. No memory holds
/// more, and below it no product of sizes overflows.
const MOST_ELEMENTS: usize = 1 << 40;

impl Offer {
    /// Checks that what `count` environments show and accept has sizes that can be counted.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub(super) fn check_sizes(&self, count: usize) -> Result<(), String> {
        let product = |factors: &[usize]| {
            let all = factors.iter().try_fold(count, |all, n| all.checked_mul(*n));
            all.filter(|all| *all <= MOST_ELEMENTS)
        };
        let shape = &self.observation.shape;
        if product(shape).is_none() {
            return Err(format!(
                "{count} observations of shape {shape:?} are too large"
            ));
        }
        let choices = match &self.action {
            OfferedAction::Discrete { n } => Some(*n),
            OfferedAction::MultiDiscrete { n } => {
                n.iter().try_fold(0_usize, |all, n| all.checked_add(*n))
            }
            OfferedAction::Box { low, high } if low.len() == high.len() => Some(low.len()),
            OfferedAction::Box { low, high } => {
                let (low, high) = (low.len(), high.len());
                return Err(format!(
                    "actions have {low} lowest values and {high} highest"
                ));
            }
        };
        match choices.and_then(|choices| product(&[choices])) {
            Some(_) => Ok(()),
            None => Err(format!("actions of {count} environments are too large")),
        }
    }

    /// The spaces in the words of the rest of the actor.
    pub(super) fn spaces(&self) -> Spaces {
        let action = match &self.action {
            OfferedAction::Discrete { n } => ActionSpace::Discrete { n: *n },
            OfferedAction::MultiDiscrete { n } => ActionSpace::MultiDiscrete { n: n.clone() },
            OfferedAction::Box { low, high } => ActionSpace::Box {
                low: low
                    .iter()
                    .map(|bound| bound.unwrap_or(f32::NEG_INFINITY))
                    .collect(),
                high: high
                    .iter()
                    .map(|bound| bound.unwrap_or(f32::INFINITY))
                    .collect(),
            },
        };
        Spaces {
            observation: self.observation.clone(),
            action,
        }
    }
}

/// Bytes of one element.
pub(super) fn element_size(element: ElementType) -> usize {
    match element {
        ElementType::F32 => size_of::<f32>(),
        ElementType::U8 => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(shape: &str, action: &str) -> Offer {
        let text = format!(
            r#"{{"observation":{{"shape":{shape},"element":"f32"}},"action":{action},"frame_skip":1,"arrays":{{}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn sizes_that_cannot_be_counted_are_refused() {
        let discrete = r#"{"kind":"discrete","n":2}"#;
        let check = |shape: &str, action: &str| offer(shape, action).check_sizes(16);
        assert_eq!(check("[3,84,84]", discrete), Ok(()));
        let refused = |shape: &str, action: &str, expected: &str| {
            let error = check(shape, action).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refused("[9223372036854775808,2]", discrete, "too large");
        refused("[1099511627776]", discrete, "too large");
        let many = r#"{"kind":"multi_discrete","n":[18446744073709551615,1]}"#;
        refused("[4]", many, "actions of 16 environments");
        let uneven = r#"{"kind":"box","low":[null,0.5],"high":[1.0]}"#;
        refused("[4]", uneven, "2 lowest values and 1 highest");
    }
}
