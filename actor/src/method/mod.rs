//! Methods: how to act, what to descend, and where experience goes and comes from.
//!
//! Axis letters: `T` time, `E` environments, `B` rows of a batch, `A` actions, `D` dimensions.

mod a3c;
mod acer;
mod action_values;
mod actor_critic;
mod advice;
mod batch;
mod behaviour;
mod dqn;
mod epsilon_greedy_behaviour;
mod experience;
mod exploration;
mod impala;
mod last_segment;
mod loss;
#[cfg(test)]
mod m1_policies;
mod make;
mod method_error;
mod method_parts;
mod n_step_q;
mod networks;
mod objective;
mod objective_error;
mod one_step_q;
mod one_step_sarsa;
mod outliers;
mod own_replay;
mod part;
mod policy_behaviour;
mod ppo;
mod r2d2;
#[cfg(test)]
mod random_steps;
mod retrace;
mod returns;
mod setting;
mod shared_experience;
#[cfg(test)]
mod testing;
mod traces;
mod transition_memory;
mod trust_region;
mod value_method;
#[cfg(test)]
mod value_tests;
mod vtrace;

pub use a3c::A3c;
pub use acer::Acer;
pub use action_values::ActionValues;
pub use actor_critic::ActorCritic;
pub use advice::Advice;
pub use batch::Batch;
pub use behaviour::{Behaviour, Decision, Purpose};
pub use dqn::Dqn;
pub use epsilon_greedy_behaviour::EpsilonGreedyBehaviour;
pub use experience::{ExperienceSink, ExperienceSource, OwnExperience};
pub use exploration::EpsilonGreedy;
pub use impala::Impala;
pub use last_segment::LastSegment;
pub use loss::Loss;
pub use make::make;
pub use method_error::MethodError;
pub use method_parts::MethodParts;
pub use n_step_q::NStepQ;
pub use networks::Networks;
pub use objective::Objective;
pub use objective_error::ObjectiveError;
pub use one_step_q::OneStepQ;
pub use one_step_sarsa::OneStepSarsa;
pub use part::Part;
pub use policy_behaviour::PolicyBehaviour;
pub use ppo::Ppo;
pub use r2d2::R2d2;
pub use returns::{advantages, n_step_returns, one_step_returns};
pub use setting::Setting;
pub use shared_experience::SharedExperience;
