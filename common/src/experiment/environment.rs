use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::AtariSettings;
use super::validate::is_positive;
use super::violation::Violations;

/// Who steps the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Host {
    /// Native where Troop has the environment in Rust, else Gymnasium.
    #[default]
    Auto,
    /// Rust, in the worker's own thread.
    Native,
    /// A Python process that runs the registered Gymnasium id.
    Gymnasium,
}

/// `[environment]`: what the agent acts in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EnvironmentSettings {
    /// A Gymnasium id, e.g. `CartPole-v1` or `ALE/Pong-v5`.
    pub id: String,
    /// Who steps it.
    pub host: Host,
    /// Environments that each worker steps together, `E`.
    pub envs_per_worker: usize,
    /// Rewards are clipped to `[−x, x]` for learning; reported returns stay raw. Absent: no clipping.
    #[serde(with = "super::optional")]
    pub reward_clip: Option<f32>,
    /// The Python interpreter of the Gymnasium host; absent: the project's `.venv`, else `python3`.
    #[serde(with = "super::optional")]
    pub python: Option<PathBuf>,
    /// Python modules imported before the environment is made, so that they can register ids.
    pub imports: Vec<String>,
    /// Keyword arguments for `gymnasium.make`.
    pub kwargs: toml::Table,
    /// A host that has not started after this long is given up, in milliseconds.
    pub start_timeout_ms: u64,
    /// A host that has not answered a step after this long is restarted, in milliseconds.
    pub step_timeout_ms: u64,
    /// After this many restarts in a row without a hundred good steps between them the worker ends.
    pub max_consecutive_restarts: u32,
    /// Preprocessing of `ALE/…` ids.
    pub atari: AtariSettings,
}

impl Default for EnvironmentSettings {
    fn default() -> Self {
        Self {
            id: "CartPole-v1".into(),
            host: Host::Auto,
            envs_per_worker: 16,
            reward_clip: None,
            python: None,
            imports: Vec::new(),
            kwargs: toml::Table::new(),
            start_timeout_ms: 60_000,
            step_timeout_ms: 30_000,
            max_consecutive_restarts: 5,
            atari: AtariSettings::default(),
        }
    }
}

impl EnvironmentSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            !self.id.trim().is_empty(),
            "environment.id",
            "must name an environment, e.g. `CartPole-v1`",
        );
        violations.expect(
            self.envs_per_worker >= 1,
            "environment.envs_per_worker",
            "must be at least 1: a worker without environments makes no experience",
        );
        violations.expect(
            self.reward_clip.is_none_or(|clip| is_positive(clip.into())),
            "environment.reward_clip",
            "must be finite and above 0: at 0 every reward would vanish; \"none\" switches it off",
        );
        violations.expect(
            self.imports.iter().all(|import| is_module(import)),
            "environment.imports",
            "must be dotted names of Python modules",
        );
        for (key, timeout) in [
            ("environment.start_timeout_ms", self.start_timeout_ms),
            ("environment.step_timeout_ms", self.step_timeout_ms),
        ] {
            violations.expect(
                timeout >= 1,
                key,
                "must be above 0: no host answers at once",
            );
        }
    }
}

fn is_module(name: &str) -> bool {
    let is_part = |part: &str| {
        part.chars()
            .next()
            .is_some_and(|first| first.is_alphabetic() || first == '_')
            && part
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '_')
    };
    name.split('.').all(is_part)
}
