use serde::{Deserialize, Serialize};

use super::{
    ActorSettings, CheckpointSettings, EnvironmentSettings, ExplorationSettings, LearnerSettings,
    MethodSettings, ModelSettings, OptimizerSettings, RunSettings, SecuritySettings,
    TelemetrySettings, TopologySettings, WireSettings,
};

/// One configuration, as a preset or a run's `experiment.toml` holds it.
///
/// Every key is declared in its section's `settings!`, and nowhere else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Experiment {
    /// What is run, how long, from which seed.
    pub experiment: RunSettings,
    /// What the agent acts in.
    pub environment: EnvironmentSettings,
    /// The network.
    pub model: ModelSettings,
    /// What turns a segment into a gradient.
    pub method: MethodSettings,
    /// How value methods explore.
    pub exploration: ExplorationSettings,
    /// How the learner applies gradients.
    pub optimizer: OptimizerSettings,
    /// The parameter server.
    pub learner: LearnerSettings,
    /// The processes that act.
    pub actor: ActorSettings,
    /// Who acts, who trains, and what lies between them.
    pub topology: TopologySettings,
    /// What crosses the network, and how.
    pub wire: WireSettings,
    /// What is saved, and when.
    pub checkpoint: CheckpointSettings,
    /// Logs.
    pub telemetry: TelemetrySettings,
    /// Who may connect.
    pub security: SecuritySettings,
}
