//! What a replay's experience depends on.

use super::{ConfigError, Experiment, KeyChange};

/// What is lived through, how much of it comes and is drawn at once, and what room there is. What a method adds, its rules say.
const KEYS: [&str; 22] = [
    "environment.id",
    "environment.kwargs",
    "environment.envs_per_worker",
    "environment.frame_stack",
    "environment.normalize_observations",
    "environment.observation_clip",
    "environment.normalize_rewards",
    "environment.reward_scale",
    "environment.reward_clip",
    "environment.rescale_actions",
    "environment.atari.frame_skip",
    "environment.atari.stack",
    "environment.atari.screen_size",
    "environment.atari.terminal_on_life_loss",
    "environment.atari.repeat_action_probability",
    "environment.atari.full_action_space",
    "model.lstm",
    "method.name",
    "topology.replay_bytes",
    "topology.most_actors",
    "topology.band",
    "topology.max_age_updates",
];

impl Experiment {
    /// The keys that say what a replay holds and how it is drawn, and in which `asked` differs from this experiment; none if
    /// a replay of this one serves `asked` as well.
    ///
    /// # Errors
    /// If one of them cannot be written as TOML.
    pub fn replay_changes(&self, asked: &Self) -> Result<Vec<KeyChange>, ConfigError> {
        let of_method = self.method.replay_keys();
        let keys = KEYS.into_iter().chain(of_method.iter().copied());
        KeyChange::among(keys, self, asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{PRESETS, Preset};

    fn preset(name: &str, change: &[&str]) -> Experiment {
        let overrides: Vec<String> = change.iter().map(|it| (*it).into()).collect();
        crate::experiment::resolve(name, &overrides)
            .unwrap()
            .experiment
    }

    fn changed(name: &str, change: &str) -> Vec<String> {
        let changes = preset(name, &[]).replay_changes(&preset(name, &[change]));
        let changes = changes.unwrap().into_iter();
        changes
            .map(|it| format!("{} {} {}", it.key, it.was, it.asked))
            .collect()
    }

    #[test]
    fn what_a_replay_does_not_depend_on_may_change() {
        for (name, change) in [
            ("cartpole-ape-x", "method.double_q=false"),
            ("cartpole-ape-x", "method.target_sync.updates=7"),
            ("cartpole-ape-x", "environment.step_sleep_us=100"),
            ("cartpole-ape-x", "optimizer.learning_rate=0.5"),
            ("cartpole-ape-x", "topology.prefetch=5"),
            ("cartpole-impala", "method.discount=0.5"),
            ("cartpole-impala", "method.entropy_weight=0.5"),
            ("cartpole-r2d2", "method.n_step=1"),
            ("cartpole-r2d2", "method.discount=0.5"),
        ] {
            assert_eq!(changed(name, change), [""; 0], "{name} {change}");
        }
    }

    #[test]
    fn what_it_depends_on_is_named_with_both_values() {
        for (name, change, expected) in [
            ("cartpole-ape-x", "method.n_step=7", "method.n_step 3 7"),
            (
                "cartpole-ape-x",
                "method.discount=0.5",
                "method.discount 0.99 0.5",
            ),
            (
                "cartpole-ape-x",
                "environment.reward_clip=2",
                "environment.reward_clip \"none\" 2.0",
            ),
            ("cartpole-impala", "method.t_max=7", "method.t_max 8 7"),
            ("cartpole-impala", "model.lstm=8", "model.lstm \"none\" 8"),
            (
                "cartpole-r2d2",
                "method.burn_in_env_steps=3",
                "method.burn_in_env_steps 10 3",
            ),
        ] {
            assert_eq!(changed(name, change), [expected], "{name} {change}");
        }
    }

    #[test]
    fn each_key_is_one_that_an_experiment_has() {
        for Preset { name, .. } in PRESETS {
            let experiment = preset(name, &[]);
            let written: toml::Table = experiment.to_toml().unwrap().parse().unwrap();
            let written = toml::Value::Table(written);
            for key in KEYS.iter().chain(experiment.method.replay_keys()) {
                let mut names = key.split('.');
                let found = names.try_fold(&written, |at, name| at.get(name));
                assert!(found.is_some(), "{name}: {key}");
            }
        }
    }
}
