use std::sync::Arc;

use troop_replay::available_memory::ReplayDemand;

use super::behaviour::Behaviour;
use super::experience::OwnExperience;
use super::last_segment::LastSegment;
use super::objective::Objective;
use super::setting::Setting;
use super::shared_experience::SharedExperience;
use crate::nn::Network;

/// What a method is made of. A role composes it.
pub struct MethodParts {
    /// The network that is trained.
    pub network: Arc<Network>,
    /// How it acts.
    pub behaviour: Box<dyn Behaviour>,
    /// What it descends.
    pub objective: Box<dyn Objective>,
    /// Where a worker's own experience goes and comes from.
    pub experience: Box<dyn OwnExperience>,
    /// Whether segments need the recurrent state before each step, as items that begin amid them do.
    pub keeps_states: bool,
    /// How it learns from a replay that workers share, if it can.
    pub shared: Option<SharedExperience>,
    /// What it wants to remember, if it has a replay: checked before a worker begins.
    pub replay_demand: Option<ReplayDemand>,
}

impl MethodParts {
    /// Those of a method that learns from each segment once.
    pub fn on_policy(
        setting: &Setting<'_>,
        network: Arc<Network>,
        behaviour: impl Behaviour + 'static,
        objective: impl Objective + 'static,
    ) -> Self {
        let environments = setting.experiment.environment.envs_per_worker;
        Self {
            network,
            behaviour: Box::new(behaviour),
            objective: Box::new(objective),
            experience: Box::new(LastSegment::new(environments, setting.spaces)),
            keeps_states: false,
            shared: None,
            replay_demand: None,
        }
    }
}
