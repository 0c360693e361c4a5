use serde::{Deserialize, Serialize};

use super::violation::Violations;
use super::{A3cSettings, AcerSettings, DqnSettings, Experiment, NStepQSettings, OneStepSettings};

/// How per-step losses of a segment become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduction {
    /// Accumulated, as in Mnih et al. 2016.
    Sum,
    /// Averaged over time and environments, so that the step does not grow with the batch.
    #[default]
    Mean,
}

/// How a segment's errors reach the states that led to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// Each state looks ahead to its return.
    #[default]
    Forward,
    /// Each error is handed back along an eligibility trace; the gradient is the same.
    Backward,
}

/// When `θ⁻ ← θ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSync {
    /// Each time the global frame count crosses a multiple of this.
    Frames(u64),
    /// Each time the version crosses a multiple of this.
    Updates(u64),
}

/// What a method learns, and so which networks it can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// `Q(s, a)`: explores by ε, may have duelling heads.
    ActionValues,
    /// `π(a|s)` and `V(s)`: draws its actions, may keep both apart.
    Policy,
}

/// What the rest of an experiment asks the settings of a method.
pub(super) trait MethodRules {
    /// What it learns.
    fn learns(&self) -> Learns;

    /// Steps of each environment in a segment.
    fn t_max(&self) -> usize;

    /// Env steps that a worker of so many environments may live through before it sends a gradient,
    /// those of a segment aside: what a replay memory is filled with is reported with the first one.
    fn env_steps_before_gradient(&self, _environments: u64) -> u64 {
        0
    }

    /// Whether it unrolls recurrent networks, `model.lstm`.
    fn is_recurrent(&self) -> bool {
        false
    }

    /// When its target network is refreshed, where it has one.
    fn target_sync(&self) -> Option<TargetSync> {
        None
    }

    /// Notes every value that cannot work.
    fn check(&self, experiment: &Experiment, violations: &mut Violations);
}

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
            /// Asynchronous n-step Q-learning.
            NStepQ(NStepQSettings) = "n_step_q",
            /// Asynchronous one-step Q-learning.
            OneStepQ(OneStepSettings) = "one_step_q",
            /// Asynchronous one-step SARSA.
            OneStepSarsa(OneStepSettings) = "one_step_sarsa",
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

    /// What it learns.
    pub fn learns(&self) -> Learns {
        self.rules().learns()
    }

    /// Steps of each environment in a segment.
    pub fn t_max(&self) -> usize {
        self.rules().t_max()
    }

    /// Env steps that a worker of so many environments may live through before it sends a gradient,
    /// those of a segment aside.
    pub fn env_steps_before_gradient(&self, environments: u64) -> u64 {
        self.rules().env_steps_before_gradient(environments)
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

/// Notes what cannot work in the keys that every method has.
pub(super) fn check_segment(t_max: usize, discount: f32, violations: &mut Violations) {
    violations.expect(
        t_max >= 1,
        "method.t_max",
        "must be at least 1: a segment without steps has no gradient",
    );
    violations.expect(
        (0.0..=1.0).contains(&discount),
        "method.discount",
        "must be from 0 to 1: above 1 returns diverge",
    );
}

/// Notes an interval that nothing crosses.
pub(super) fn check_target_sync(target_sync: TargetSync, violations: &mut Violations) {
    let (TargetSync::Frames(every) | TargetSync::Updates(every)) = target_sync;
    violations.expect(
        every >= 1,
        "method.target_sync",
        "must be at least 1: nothing crosses a multiple of 0",
    );
}
