//! What a report may say at most: the same for the worker that writes it and the learner that reads it.

use crate::bounds::EPISODES;
use crate::experiment::Experiment;

/// Segments that a report may cover beside what a method lives through before a gradient. One is the
/// rule; there are more if a method would rather not learn from some.
const SEGMENTS: u64 = 16;

/// Restarts that a report may have.
const RESTARTS: u64 = 1_024;

/// An episode is at most this many times as long as the run: steps of it that were lost with a
/// connection, or that an earlier life counted and a crash took back, are not among the run's.
const LENGTH_OF_THE_RUN: u64 = 16;

/// Env steps of an evaluation for each of its episodes, at most: a game of half an hour, 108 000 frames, four of them a
/// step, and a tenth more for what a failure drops. All environments take the last step.
pub const STEPS_PER_EPISODE: u64 = 30_000;

/// What a report of an experiment may say at most.
///
/// A worker that has lived through more keeps the rest for its next report, so an honest one never
/// passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportLimits {
    /// Env steps of all environments of a worker.
    pub env_steps: u64,
    /// Emulator ticks of an env step.
    pub frame_skip: u64,
    /// Episodes that ended.
    pub episodes: usize,
    /// Env steps of an episode.
    pub episode_length: u64,
    /// Environment hosts that were restarted.
    pub environment_restarts: u64,
    /// Episodes of an evaluation; 0 if there are none.
    pub evaluation_episodes: u64,
}

impl ReportLimits {
    /// Those of an experiment.
    pub fn of(experiment: &Experiment) -> Self {
        let environment = &experiment.environment;
        let environments = environment.envs_per_worker as u64;
        let method = &experiment.method;
        let segment = (method.t_max() as u64).saturating_mul(environments);
        let env_steps = segment
            .saturating_mul(SEGMENTS)
            .saturating_add(method.env_steps_before_gradient(environments));
        let run = experiment.experiment.total_env_steps;
        let evaluate = &experiment.experiment.evaluate;
        Self {
            env_steps,
            frame_skip: u64::from(environment.frame_skip()),
            episodes: EPISODES
                .most
                .min(usize::try_from(env_steps).unwrap_or(usize::MAX)),
            episode_length: run.saturating_mul(LENGTH_OF_THE_RUN),
            environment_restarts: RESTARTS,
            evaluation_episodes: match evaluate.is_on() {
                true => u64::from(evaluate.episodes),
                false => 0,
            },
        }
    }
}

impl ReportLimits {
    /// Those of what a session reports, which are those of a worker unless several share it.
    pub fn of_session(experiment: &Experiment) -> Self {
        let of_worker = Self::of(experiment);
        let workers = experiment.actor.relay_workers;
        let all = |of_one: u64| of_one.saturating_mul(workers as u64);
        Self {
            env_steps: all(of_worker.env_steps),
            episodes: EPISODES
                .most
                .min(of_worker.episodes.saturating_mul(workers)),
            environment_restarts: all(of_worker.environment_restarts),
            ..of_worker
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{DqnSettings, MethodSettings, PRESETS, resolve};

    #[test]
    fn they_follow_from_what_a_segment_holds() {
        let limits = ReportLimits::of(&Experiment::default());
        // 5 steps of 16 environments, 16 times.
        assert_eq!((limits.env_steps, limits.frame_skip), (1_280, 1));
        assert_eq!(
            (limits.episodes, limits.episode_length),
            (1_280, 16_000_000)
        );
        assert_eq!(limits.evaluation_episodes, 0);
    }

    #[test]
    fn an_evaluation_has_the_episodes_that_are_asked_for() {
        let mut experiment = Experiment::default();
        experiment.experiment.evaluate.every_env_steps = 1_000;
        experiment.experiment.evaluate.episodes = 7;
        assert_eq!(ReportLimits::of(&experiment).evaluation_episodes, 7);
    }

    #[test]
    fn what_is_lived_through_while_a_memory_fills_is_among_them() {
        let mut experiment = Experiment {
            method: MethodSettings::Dqn(DqnSettings {
                t_max: 4,
                n_step: 3,
                batch_size: 32,
                replay_ratio: 0.25,
                replay_start_env_steps: 50_000,
                ..DqnSettings::default()
            }),
            ..Experiment::default()
        };
        experiment.environment.envs_per_worker = 2;
        let limits = ReportLimits::of(&experiment);
        // 16 segments, the start, 128 steps that earn a gradient, 3 steps before the first transition.
        assert_eq!(limits.env_steps, 16 * 4 * 2 + 50_000 + 128 + 2 * 3);
        assert_eq!(limits.episodes, EPISODES.most);
    }

    #[test]
    fn a_session_of_several_workers_reports_what_all_of_them_may() {
        let mut experiment = Experiment::default();
        assert_eq!(
            ReportLimits::of_session(&experiment),
            ReportLimits::of(&experiment)
        );
        experiment.actor.relay_workers = 3;
        let (one, all) = (
            ReportLimits::of(&experiment),
            ReportLimits::of_session(&experiment),
        );
        assert_eq!((all.env_steps, all.episodes), (3 * 1_280, 3 * 1_280));
        assert_eq!(all.environment_restarts, 3 * one.environment_restarts);
        assert_eq!(all.episode_length, one.episode_length);
        experiment.actor.relay_workers = 1_000;
        assert_eq!(
            ReportLimits::of_session(&experiment).episodes,
            EPISODES.most
        );
    }

    #[test]
    fn numbers_that_nobody_means_do_not_overflow() {
        let mut experiment = Experiment {
            method: MethodSettings::Dqn(DqnSettings {
                t_max: usize::MAX,
                n_step: usize::MAX,
                batch_size: usize::MAX,
                replay_ratio: f64::MIN_POSITIVE,
                replay_start_env_steps: u64::MAX,
                ..DqnSettings::default()
            }),
            ..Experiment::default()
        };
        experiment.environment.envs_per_worker = usize::MAX;
        experiment.experiment.total_env_steps = u64::MAX;
        let limits = ReportLimits::of(&experiment);
        assert_eq!(
            (limits.env_steps, limits.episode_length),
            (u64::MAX, u64::MAX)
        );
    }

    #[test]
    fn every_bundled_experiment_has_room_for_more_than_a_segment() {
        for preset in PRESETS {
            let experiment = resolve(preset.name, &[]).unwrap().experiment;
            let limits = ReportLimits::of(&experiment);
            let segment = experiment.method.t_max() * experiment.environment.envs_per_worker;
            assert!(limits.env_steps > 2 * segment as u64, "{}", preset.name);
        }
    }
}
