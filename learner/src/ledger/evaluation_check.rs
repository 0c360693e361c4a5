//! Decides whether an evaluation can be true.

use troop_common::proto::v1;
use troop_common::report_limits::{ReportLimits, STEPS_PER_EPISODE};
use troop_common::role::Role;

use super::plausibility::{Implausible, LARGEST, ReportPart};

/// Env steps of an evaluation's episodes on average, at most: it has no more environments than episodes.
const LONGEST: f64 = STEPS_PER_EPISODE as f64 + 1.0;

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reached {
    pub(super) env_steps: u64,
    pub(super) version: u64,
}

/// Checks a report with an evaluation: it comes from who evaluates, has restarts beside it and nothing else, and its
/// weights are those of a run that has `reached` so far.
pub(super) fn check(
    report: &v1::Report,
    role: Role,
    reached: Reached,
    limits: &ReportLimits,
) -> Result<(), Implausible> {
    let Some(evaluation) = &report.evaluation else {
        return Ok(());
    };
    if role != Role::Evaluate {
        return wrong(format!("a worker of role {} evaluates", role.name()));
    }
    if counts_more(report) {
        let detail = "an evaluation comes with what the run counts; expected it alone";
        return wrong(detail.to_owned());
    }
    check_weights(evaluation, reached)?;
    check_episodes(evaluation, limits)
}

/// Whether there is more in it than an evaluation and restarts.
fn counts_more(report: &v1::Report) -> bool {
    let v1::Report {
        env_steps,
        frames,
        episodes,
        losses,
        environment_restarts: _,
        observations,
        evaluation: _,
    } = report;
    let nothing = (*env_steps, *frames, episodes.len(), losses.len()) == (0, 0, 0, 0);
    !nothing || observations.is_some()
}

fn check_weights(evaluation: &v1::Evaluation, reached: Reached) -> Result<(), Implausible> {
    let &v1::Evaluation {
        version, env_steps, ..
    } = evaluation;
    if version <= reached.version && env_steps <= reached.env_steps {
        return Ok(());
    }
    wrong(format!(
        "version {version} after {env_steps} env steps is evaluated; the run is at version {} after {}",
        reached.version, reached.env_steps
    ))
}

/// Numbers that are infinite or NaN pass, as they do in all of a report; such an evaluation is left out.
fn check_episodes(evaluation: &v1::Evaluation, limits: &ReportLimits) -> Result<(), Implausible> {
    let (found, most) = (evaluation.episodes, limits.evaluation_episodes);
    if !(1..=most).contains(&found) {
        return wrong(format!(
            "an evaluation has {found} episodes; expected 1 to {most}"
        ));
    }
    let (length, longest) = (evaluation.length_mean, LONGEST);
    if length.is_finite() && !(1.0..=longest).contains(&length) {
        return wrong(format!(
            "an evaluation's episodes have {length} env steps; expected 1 to {longest}"
        ));
    }
    let (mean, std) = (evaluation.return_mean, evaluation.return_std);
    let most = LARGEST * longest;
    let beyond = [mean, std].map(|found| found.is_finite() && found.abs() > most);
    if beyond.contains(&true) || std < 0.0 {
        return wrong(format!(
            "an evaluation's returns come to {mean:e} ± {std:e}; expected {most:e} at most, and no deviation below 0"
        ));
    }
    Ok(())
}

fn wrong(detail: String) -> Result<(), Implausible> {
    Err(ReportPart::Evaluation.implausible(detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ReportLimits = ReportLimits {
        env_steps: 100,
        frame_skip: 1,
        episodes: 100,
        episode_length: 1_000,
        environment_restarts: 10,
        evaluation_episodes: 20,
    };

    const RIGHT: v1::Evaluation = v1::Evaluation {
        episodes: 20,
        return_mean: -5.5,
        return_std: 0.0,
        length_mean: LONGEST,
        version: 7,
        env_steps: 50,
    };

    fn passes(evaluation: v1::Evaluation) -> bool {
        let report = v1::Report {
            evaluation: Some(evaluation),
            environment_restarts: 1,
            ..v1::Report::default()
        };
        is_believed(&report, Role::Evaluate)
    }

    fn is_believed(report: &v1::Report, role: Role) -> bool {
        let reached = Reached {
            env_steps: 50,
            version: 7,
        };
        check(report, role, reached, &LIMITS)
            .inspect_err(|found| assert_eq!(found.part, ReportPart::Evaluation))
            .is_ok()
    }

    #[test]
    fn what_can_be_passes_and_what_cannot_is_refused() {
        assert!(passes(RIGHT));
        let changes: [fn(&mut v1::Evaluation); 11] = [
            |it| it.episodes = 0,
            |it| it.episodes = 21,
            |it| it.episodes = u64::MAX,
            |it| it.return_mean = 1e300,
            |it| it.return_mean = f64::MIN,
            |it| it.return_std = 1e300,
            |it| it.return_std = -1.0,
            |it| it.length_mean = 0.5,
            |it| it.length_mean = LONGEST + 1.0,
            |it| it.version = 8,
            |it| it.env_steps = 51,
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut evaluation = RIGHT;
            change(&mut evaluation);
            assert!(!passes(evaluation), "{number}");
        }
        for odd in [f64::NAN, f64::INFINITY] {
            let mut evaluation = RIGHT;
            evaluation.return_mean = odd;
            evaluation.return_std = odd;
            evaluation.length_mean = odd;
            assert!(passes(evaluation), "it is no lie, and is left out");
        }
    }

    #[test]
    fn only_who_evaluates_does_and_reports_nothing_else_with_it() {
        let evaluation = v1::Report {
            evaluation: Some(RIGHT),
            ..v1::Report::default()
        };
        assert!(is_believed(&evaluation, Role::Evaluate));
        for role in [Role::Bundled, Role::Act, Role::Train] {
            assert!(!is_believed(&evaluation, role), "{role:?}");
            assert!(is_believed(&v1::Report::default(), role), "{role:?}");
        }
        let steps = v1::Report {
            env_steps: 1,
            ..evaluation.clone()
        };
        let episodes = v1::Report {
            episodes: vec![v1::Episode::default()],
            ..evaluation
        };
        for more in [steps, episodes] {
            assert!(!is_believed(&more, Role::Evaluate), "{more:?}");
        }
    }
}
