use serde::{Deserialize, Serialize};

use super::method_rules::MethodRules;
use super::{
    A3cSettings, AcerSettings, DqnSettings, ImpalaSettings, Learns, NStepQSettings,
    OneStepSettings, PpoSettings, R2d2Settings, TargetSync,
};

/// Hands the table of methods to a macro. A method is registered here and nowhere else: its
/// variant, which is also the name of its type in the actor, its settings, and its name.
#[macro_export]
macro_rules! with_methods {
    ($macro:ident) => {
        $macro! {
            /// Asynchronous advantage actor-critic.
            A3c(A3cSettings) = "a3c",
            /// Actor-critic with experience replay.
            Acer(AcerSettings) = "acer",
            /// Deep Q-learning from replay, Gorila.
            Dqn(DqnSettings) = "dqn",
            /// Importance-weighted actor-critic, V-trace.
            Impala(ImpalaSettings) = "impala",
            /// Asynchronous n-step Q-learning.
            NStepQ(NStepQSettings) = "n_step_q",
            /// Asynchronous one-step Q-learning.
            OneStepQ(OneStepSettings) = "one_step_q",
            /// Asynchronous one-step SARSA.
            OneStepSarsa(OneStepSettings) = "one_step_sarsa",
            /// Proximal policy optimisation.
            Ppo(PpoSettings) = "ppo",
            /// Recurrent Q-learning from prioritised sequences.
            R2d2(R2d2Settings) = "r2d2",
        }
    };
}

macro_rules! method_settings {
    ($($(#[$doc:meta])* $method:ident($settings:ident) = $name:literal,)*) => {
        /// `[method]`: what turns a segment into a gradient.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        pub enum MethodSettings {
            $($(#[$doc])* #[serde(rename = $name)] $method($settings),)*
        }

        impl MethodSettings {
            /// The name of every method.
            pub const NAMES: [&'static str; [$($name),*].len()] = [$($name),*];

            /// The named method with its defaults.
            pub fn default_of(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$method($settings::default())),)*
                    _ => None,
                }
            }

            /// The method's name as written in configurations.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$method(_) => $name,)*
                }
            }

            pub(super) fn rules(&self) -> &dyn MethodRules {
                match self {
                    $(Self::$method(settings) => settings,)*
                }
            }
        }
    };
}

with_methods!(method_settings);

impl MethodSettings {
    /// When the target network is refreshed, for methods that have one.
    pub fn target_sync(&self) -> Option<TargetSync> {
        self.rules().target_sync()
    }

    /// Env steps that a worker of so many environments lives through for each of its gradients.
    pub fn env_steps_per_gradient(&self, environments: u64) -> f64 {
        self.rules().env_steps_per_gradient(environments)
    }

    /// What it learns.
    pub fn learns(&self) -> Learns {
        self.rules().learns()
    }

    /// Steps of each environment in a segment.
    pub fn t_max(&self) -> usize {
        self.rules().t_max()
    }

    /// Discount γ of an env step.
    pub fn discount(&self) -> f32 {
        self.rules().discount()
    }

    /// Env steps that a worker of so many environments may live through before it sends a gradient,
    /// those of a segment aside.
    pub fn env_steps_before_gradient(&self, environments: u64) -> u64 {
        self.rules().env_steps_before_gradient(environments)
    }

    /// Its keys that say what a replay holds which workers share, and how it is drawn.
    pub(super) fn replay_keys(&self) -> &'static [&'static str] {
        self.rules().replay_keys().unwrap_or_default()
    }

    /// Whether it takes `model.lstm`.
    pub fn is_recurrent(&self) -> bool {
        self.rules().is_recurrent()
    }
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self::A3c(A3cSettings::default())
    }
}
