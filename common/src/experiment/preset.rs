use super::{ConfigError, Experiment, suggestion};

/// An experiment that ships inside the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its TOML, comments included.
    pub text: &'static str,
}

/// Registers `presets/<name>.toml`.
macro_rules! preset {
    ($name:literal) => {
        Preset {
            name: $name,
            text: include_str!(concat!("../../../presets/", $name, ".toml")),
        }
    };
}

/// Every preset, by name.
pub const PRESETS: &[Preset] = &[
    preset!("acrobot"),
    preset!("acrobot-dqn"),
    preset!("acrobot-ppo"),
    preset!("ant-ppo"),
    preset!("breakout"),
    preset!("carracing"),
    preset!("carracing-discrete"),
    preset!("cartpole"),
    preset!("cartpole-a2c"),
    preset!("cartpole-acer"),
    preset!("cartpole-ape-x"),
    preset!("cartpole-appo"),
    preset!("cartpole-dqn"),
    preset!("cartpole-gorila"),
    preset!("cartpole-impala"),
    preset!("cartpole-lstm"),
    preset!("cartpole-nstepq"),
    preset!("cartpole-onestepq"),
    preset!("cartpole-ppo"),
    preset!("cartpole-r2d2"),
    preset!("cartpole-sarsa"),
    preset!("halfcheetah"),
    preset!("halfcheetah-acer"),
    preset!("halfcheetah-ppo"),
    preset!("hopper-ppo"),
    preset!("maze"),
    preset!("memory"),
    preset!("memory-impala"),
    preset!("memory-r2d2"),
    preset!("minatar-asterix"),
    preset!("minatar-asterix-dqn"),
    preset!("minatar-breakout"),
    preset!("minatar-breakout-dqn"),
    preset!("minatar-breakout-onestepq"),
    preset!("minatar-freeway"),
    preset!("minatar-freeway-dqn"),
    preset!("minatar-seaquest"),
    preset!("minatar-seaquest-dqn"),
    preset!("minatar-space-invaders"),
    preset!("minatar-space-invaders-dqn"),
    preset!("minigrid-doorkey"),
    preset!("mountaincar-dqn"),
    preset!("pendulum"),
    preset!("pendulum-acer"),
    preset!("pendulum-ppo"),
    preset!("pong"),
    preset!("pong-acer"),
    preset!("pong-ape-x"),
    preset!("pong-dqn"),
    preset!("pong-impala"),
    preset!("pong-nstepq"),
    preset!("pong-ppo"),
    preset!("pong-r2d2"),
    preset!("swimmer-ppo"),
    preset!("walker2d-ppo"),
];

impl Preset {
    /// The preset with this name.
    ///
    /// # Errors
    /// If there is none; the error lists them all and names the nearest.
    pub fn find(name: &str) -> Result<&'static Self, ConfigError> {
        let found = PRESETS.iter().find(|preset| preset.name == name);
        found.ok_or_else(|| ConfigError::UnknownPreset(unknown(name)))
    }

    /// The experiment as it ships, with nothing set from outside.
    ///
    /// # Errors
    /// Never for a preset that passed this crate's tests.
    pub fn experiment(&self) -> Result<Experiment, ConfigError> {
        Experiment::from_toml(self.text)
    }
}

fn unknown(name: &str) -> String {
    let names: Vec<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    let hint = match suggestion::nearest(name, &names) {
        Some(nearest) => format!("; did you mean `{nearest}`? The"),
        None => "; the".into(),
    };
    format!(
        "unknown preset `{name}`{hint} presets are {}; a file is given with a slash or the ending `.toml`",
        names.join(", ")
    )
}
