use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::AtariSettings;
use super::checks::is_positive;
use super::settings::settings;
use super::violation::Violations;
use super::wrapper::{Wrapper, is_dotted};

/// A longer sleep than this keeps a worker from noticing that it is to stop.
const LONGEST_STEP_SLEEP_US: u64 = 60_000_000;

/// Observations that are stacked at most.
const LARGEST_STACK: usize = 1_024;

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

settings! {
    /// `[environment]`: what the agent acts in.
    pub struct EnvironmentSettings {
        /// A Gymnasium id, e.g. `ALE/Pong-v5`, or `Troop/TMaze-v0`, see [below](#the-t-maze).
        pub id: String = "CartPole-v1".into(),
        /// Who steps it: Rust in the worker's thread, a Python process, or the first of them that has it.
        pub host: Host = Host::Auto,
        /// Environments that each worker steps together.
        #[unit = "environments"]
        pub envs_per_worker: usize = 16,
        /// Rewards are clipped to ± this for learning; reported returns stay raw.
        #[unit = "reward"]
        #[serde(with = "super::optional")]
        pub reward_clip: Option<f32> = None,
        /// Rewards are multiplied by this for learning, before they are clipped; reported returns stay raw.
        pub reward_scale: f32 = 1.0,
        /// Whether rewards are divided by the deviation of discounted returns for learning, before they are scaled, by
        /// what all workers of the run have lived through, see [below](#normalised-rewards); reported returns stay raw.
        pub normalize_rewards: bool = false,
        /// Whether each dimension of the observations is shifted and scaled to mean 0 and deviation 1, by the moments
        /// of all that the run's workers have seen; floats only, see [below](#normalised-observations).
        pub normalize_observations: bool = false,
        /// Normalised observations are clipped to ± this.
        #[unit = "deviations"]
        #[serde(with = "super::optional")]
        pub observation_clip: Option<f32> = Some(10.0),
        /// Whether policies give continuous actions in units of half the range between their bounds, from −1 to 1, so
        /// that tiny and huge bounds train alike; a dimension with an infinite bound stays raw.
        pub rescale_actions: bool = true,
        /// The newest so many observations are shown together, the oldest first; the first one of an episode fills
        /// the places of those before it. Atari has a key of its own.
        #[unit = "observations"]
        pub frame_stack: usize = 1,
        /// Each step of a worker's environments takes so much longer, for experiments on speed-ups; `troop evaluate`
        /// does without.
        #[unit = "µs"]
        pub step_sleep_us: u64 = 0,
        /// Python interpreter of the Gymnasium host; `"none"`: the `.venv` of the checkout that the program lies in,
        /// that of the virtual environment it is installed in, else `python3`. Not what a learner says: an actor has its own `--python`.
        #[serde(with = "super::optional")]
        pub python: Option<PathBuf> = None,
        /// Python modules imported first, so that they can register ids.
        pub imports: Vec<String> = Vec::new(),
        /// Keyword arguments for `gymnasium.make`.
        pub kwargs: toml::Table = toml::Table::new(),
        /// What is put around each environment of `gymnasium.make`, the innermost first, see [below](#wrappers): a class
        /// `module:Class` and its arguments behind the environment.
        pub wrappers: Vec<Wrapper> = Vec::new(),
        /// A host that has not started after this long is given up, and one is replaced whose first reset, of all its
        /// environments, takes longer.
        #[unit = "ms"]
        pub start_timeout_ms: u64 = 60_000,
        /// A host that has not answered a step after this long is restarted.
        #[unit = "ms"]
        pub step_timeout_ms: u64 = 30_000,
        /// After this many restarts in a row without a hundred good steps between them the worker ends.
        #[unit = "restarts"]
        pub max_consecutive_restarts: u32 = 5,
        /// Preprocessing of `ALE/…` ids.
        pub atari: AtariSettings = AtariSettings::default(),
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
            is_positive(self.reward_scale.into()),
            "environment.reward_scale",
            "must be finite and above 0: at 0 every reward would vanish, a negative one would turn the aim around",
        );
        violations.expect(
            self.observation_clip.is_none_or(|clip| is_positive(clip.into())),
            "environment.observation_clip",
            "must be finite and above 0: at 0 there would be nothing to see; \"none\" switches it off",
        );
        violations.expect(
            self.step_sleep_us <= LONGEST_STEP_SLEEP_US,
            "environment.step_sleep_us",
            "must be at most 60000000: a worker that sleeps does not notice that it is to stop",
        );
        self.check_observations(violations);
        self.check_python(violations);
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

impl EnvironmentSettings {
    /// Whether the moments of what workers live through are needed.
    pub fn normalizes(&self) -> bool {
        self.normalize_observations || self.normalize_rewards
    }

    /// Whether it is one of the Arcade Learning Environment's games.
    pub fn is_atari(&self) -> bool {
        self.id.starts_with("ALE/")
    }

    /// Emulator ticks of an env step.
    pub fn frame_skip(&self) -> u32 {
        match self.is_atari() {
            true => self.atari.frame_skip,
            false => 1,
        }
    }

    fn check_python(&self, violations: &mut Violations) {
        violations.expect(
            self.imports.iter().all(|import| is_dotted(import)),
            "environment.imports",
            "must be dotted names of Python modules",
        );
        violations.expect(
            self.wrappers.iter().all(Wrapper::is_named),
            "environment.wrappers",
            "must have classes like `module:Class`",
        );
        violations.expect(
            self.wrappers.is_empty() || !self.is_atari(),
            "environment.wrappers",
            "must be empty for `ALE/…` ids: their frames are prepared by `environment.atari`",
        );
    }

    fn check_observations(&self, violations: &mut Violations) {
        violations.expect(
            (1..=LARGEST_STACK).contains(&self.frame_stack),
            "environment.frame_stack",
            "must be from 1 (each observation alone) to 1024",
        );
        violations.expect(
            !self.is_atari() || self.frame_stack == 1,
            "environment.frame_stack",
            "must be 1 for `ALE/…` ids: their frames are stacked by `environment.atari.stack`",
        );
        violations.expect(
            !self.is_atari() || !self.normalize_observations,
            "environment.normalize_observations",
            "must be false for `ALE/…` ids: they show pixels, which the model scales to [0, 1] by itself",
        );
    }
}
