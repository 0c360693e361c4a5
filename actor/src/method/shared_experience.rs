use troop_common::process::worker_count;
use troop_replay::{ItemKind, ReplaySettings, SamplesPerInsert, TableKind, stack};

use super::actor_critic::ActorCritic;
use super::setting::Setting;

/// How a method learns from a replay that workers share.
pub struct SharedExperience {
    /// The replay that it asks for.
    pub replay: ReplaySettings,
    /// Items that a gradient is of.
    pub items: usize,
    /// β of the importance weights, when the run has taken so many frames.
    pub importance_exponent: Box<dyn Fn(u64) -> f64 + Send>,
}

/// How experience is kept and drawn.
pub(super) struct Table {
    pub(super) items: ItemKind,
    pub(super) kind: TableKind,
    /// Items of a draw.
    pub(super) draw: usize,
    /// Statistics of a step's behaviour, `P`.
    pub(super) behaviour_len: usize,
    /// Numbers of a recurrent state, `S`.
    pub(super) state_len: usize,
}

impl SharedExperience {
    /// Each unroll of a segment's steps once, in the order in which they came, so many in a gradient, with the statistics
    /// of the policy that acted.
    pub(super) fn of_unrolls(
        setting: &Setting<'_>,
        actor_critic: &ActorCritic,
        batch_size: usize,
    ) -> Self {
        let experiment = setting.experiment;
        let portion = experiment.environment.envs_per_worker.max(batch_size) as f64;
        let table = Table {
            items: ItemKind::Unrolls {
                env_steps: experiment.method.t_max(),
            },
            kind: TableKind::Fifo {
                queue_items: (experiment.topology.band * 2.0 * portion) as usize,
            },
            draw: batch_size,
            behaviour_len: actor_critic.policy().statistics_len(),
            state_len: actor_critic.network().state_len(),
        };
        Self::new(setting, &table)
    }

    /// By `table`, drawn alike whatever the frames.
    pub(super) fn new(setting: &Setting<'_>, table: &Table) -> Self {
        let experiment = setting.experiment;
        let environments = experiment.environment.envs_per_worker;
        let actors = match experiment.topology.most_actors {
            0 => worker_count(experiment.actor.workers),
            chosen => chosen,
        };
        Self {
            items: table.draw,
            replay: ReplaySettings {
                spaces: setting.spaces.clone(),
                stack: stack(&experiment.environment),
                behaviour_len: table.behaviour_len,
                state_len: table.state_len,
                most_environments: actors * environments,
                most_environments_per_writer: environments,
                most_env_steps_per_append: experiment.method.t_max() * environments,
                most_items_per_draw: table.draw,
                bytes: experiment.topology.replay_bytes,
                max_age_versions: experiment.topology.max_age_updates,
                items: table.items,
                table: table.kind,
            },
            importance_exponent: Box::new(|_| 0.0),
        }
    }
}

/// `ratio` env steps drawn for each that is added. The band is that of the experiment, a multiple of the larger of
/// what an append earns and what a draw takes.
pub(super) fn samples_per_insert(
    setting: &Setting<'_>,
    ratio: f64,
    draw: usize,
) -> SamplesPerInsert {
    let experiment = setting.experiment;
    let append = experiment.method.t_max() * experiment.environment.envs_per_worker;
    let portion = (ratio * append as f64).max(draw as f64);
    SamplesPerInsert {
        ratio,
        band_env_steps: experiment.topology.band * portion,
    }
}
