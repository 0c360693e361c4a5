//! One configuration: everything that a learner and its actors need to know.

mod a3c;
mod acer;
mod actor;
mod annotated;
mod atari;
mod checker;
mod checkpoint;
mod checks;
mod document;
#[cfg(test)]
mod document_tests;
mod dqn;
mod earlier;
mod environment;
mod error;
mod evaluate;
mod exploration;
mod fragments;
mod identity;
mod impala;
mod keys;
mod layer;
mod learner;
mod method;
mod method_choices;
mod method_rules;
mod model;
mod n_step_q;
mod one_step;
mod optimizer;
mod optional;
mod ppo;
mod preset;
#[cfg(test)]
mod preset_tests;
mod reference;
mod resolve;
#[cfg(test)]
mod resolve_tests;
mod run;
mod security;
mod settings;
mod suggestion;
mod telemetry;
mod text;
#[cfg(test)]
mod text_tests;
mod topology;
mod validate;
#[cfg(test)]
mod validate_tests;
mod value_check;
mod value_kind;
mod violation;
mod wire;

pub use a3c::A3cSettings;
pub use acer::AcerSettings;
pub use actor::ActorSettings;
pub use atari::AtariSettings;
pub use checkpoint::CheckpointSettings;
pub use document::Experiment;
pub use dqn::DqnSettings;
pub use environment::{EnvironmentSettings, Host};
pub use error::ConfigError;
pub use evaluate::EvaluateSettings;
pub use exploration::{EpsilonChoice, ExplorationSchedule, ExplorationSettings};
pub use identity::KeyChange;
pub use impala::ImpalaSettings;
pub use learner::{CompensationForm, LearnerSettings, Publish, StalenessPolicy};
pub use method::MethodSettings;
pub use method_choices::{Reduction, TargetSync, View};
pub use method_rules::Learns;
pub use model::{Activation, Backend, Body, Deviation, Initialization, ModelSettings};
pub use n_step_q::NStepQSettings;
pub use one_step::OneStepSettings;
pub use optimizer::{Anneal, MomentumForm, Optimizer, OptimizerSettings, Statistics};
pub use ppo::PpoSettings;
pub use preset::{PRESETS, Preset};
pub use reference::key_table;
pub use resolve::{Resolved, resolve, resolve_run};
pub use run::{RunSettings, SolvedBy};
pub use security::SecuritySettings;
pub use telemetry::{LogFormat, TelemetrySettings};
pub use topology::TopologySettings;
pub use violation::{Violation, Violations};
pub use wire::{SendWeights, WireEncoding, WireSettings};
