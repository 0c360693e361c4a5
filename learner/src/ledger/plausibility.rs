//! Decides whether a report can be true.

use std::fmt;

use troop_common::bounds::OverBound;
use troop_common::experiment::Experiment;
use troop_common::proto::v1;
use troop_common::report_limits::ReportLimits;
use troop_common::wire::Bounded;

/// No 32-bit float is larger, and rewards and losses are such.
pub(super) const LARGEST: f64 = f32::MAX as f64;

/// Holds reports against what the experiment allows. One that cannot be true is refused as a whole:
/// a counter that has believed it cannot forget it again.
///
/// Numbers that are infinite or NaN are no lies: they say that an environment or a loss went wrong.
/// Such a report passes, and what makes means leaves them out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plausibility {
    limits: ReportLimits,
}

/// A part of a report that can be wrong; its name is a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReportPart {
    EnvSteps,
    Frames,
    Episodes,
    EpisodeLength,
    EpisodeReturn,
    Losses,
    EnvironmentRestarts,
    Observations,
    Evaluation,
}

/// Why a report cannot be true.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Implausible {
    pub(crate) part: ReportPart,
    detail: String,
}

impl ReportPart {
    pub(crate) const ALL: [Self; 9] = [
        Self::EnvSteps,
        Self::Frames,
        Self::Episodes,
        Self::EpisodeLength,
        Self::EpisodeReturn,
        Self::Losses,
        Self::EnvironmentRestarts,
        Self::Observations,
        Self::Evaluation,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EnvSteps => "env_steps",
            Self::Frames => "frames",
            Self::Episodes => "episodes",
            Self::EpisodeLength => "episode_length",
            Self::EpisodeReturn => "episode_return",
            Self::Losses => "losses",
            Self::EnvironmentRestarts => "environment_restarts",
            Self::Observations => "observations",
            Self::Evaluation => "evaluation",
        }
    }

    /// Which part a field of the contract belongs to, by its name `Message.field`; none if it is not
    /// a report's.
    pub(crate) fn of_field(field: &str) -> Option<Self> {
        match field.split('.').next()? {
            "Report" if field.ends_with(".episodes") => Some(Self::Episodes),
            "Report" | "LossTerm" => Some(Self::Losses),
            "ObservationMoments" => Some(Self::Observations),
            _ => None,
        }
    }

    /// What it cannot be, and why.
    pub(super) fn implausible(self, detail: String) -> Implausible {
        Implausible { part: self, detail }
    }

    fn at_most(self, found: u64, most: u64) -> Result<(), Implausible> {
        if found <= most {
            return Ok(());
        }
        let detail = format!("its {self} are {found}; in this run at most {most} can be");
        Err(Implausible { part: self, detail })
    }
}

impl fmt::Display for ReportPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the report cannot be: {}", self.detail)
    }
}

impl From<OverBound> for Implausible {
    fn from(error: OverBound) -> Self {
        Self {
            part: ReportPart::of_field(error.bound.field).unwrap_or(ReportPart::Losses),
            detail: error.to_string(),
        }
    }
}

impl Plausibility {
    pub(crate) fn new(experiment: &Experiment) -> Self {
        Self {
            limits: ReportLimits::of_session(experiment),
        }
    }

    /// What a report may say at most.
    pub(super) fn limits(&self) -> &ReportLimits {
        &self.limits
    }

    /// Checks all that a report says but the values of its observations, and its evaluation.
    pub(crate) fn check(&self, report: &v1::Report) -> Result<(), Implausible> {
        report.check_bounds()?;
        let limits = &self.limits;
        ReportPart::EnvSteps.at_most(report.env_steps, limits.env_steps)?;
        let frames = report.env_steps.saturating_mul(limits.frame_skip);
        ReportPart::Frames.at_most(report.frames, frames)?;
        ReportPart::EnvironmentRestarts
            .at_most(report.environment_restarts, limits.environment_restarts)?;
        ReportPart::Episodes.at_most(report.episodes.len() as u64, limits.episodes as u64)?;
        if let Some(observations) = &report.observations {
            ReportPart::Observations.at_most(observations.count, limits.env_steps)?;
        }
        let episodes = report.episodes.iter();
        episodes
            .map(|episode| self.check_episode(episode))
            .chain(report.losses.iter().map(check_loss))
            .collect()
    }

    fn check_episode(&self, episode: &v1::Episode) -> Result<(), Implausible> {
        let &v1::Episode { return_sum, length } = episode;
        let most = self.limits.episode_length;
        if !(1..=most).contains(&length) {
            let detail = format!("an episode has {length} env steps; expected 1 to {most}");
            let part = ReportPart::EpisodeLength;
            return Err(Implausible { part, detail });
        }
        let most = LARGEST * length as f64;
        if return_sum.is_finite() && return_sum.abs() > most {
            let detail = format!(
                "an episode of {length} env steps has the return {return_sum:e}; rewards are 32-bit \
                 floats, so that expected is {most:e} at most"
            );
            let part = ReportPart::EpisodeReturn;
            return Err(Implausible { part, detail });
        }
        Ok(())
    }
}

fn check_loss(loss: &v1::LossTerm) -> Result<(), Implausible> {
    let v1::LossTerm { term, value } = loss;
    let part = ReportPart::Losses;
    if value.is_finite() && value.abs() > LARGEST {
        let detail =
            format!("loss `{term}` is {value:e}; expected {LARGEST:e} at most, as a 32-bit float");
        return Err(Implausible { part, detail });
    }
    if term.is_empty() || term.contains(char::is_control) {
        let detail =
            format!("a loss is called {term:?}; expected a name without control characters");
        return Err(Implausible { part, detail });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEYOND: [u64; 2] = [1 << 63, u64::MAX];

    /// Of a run of 1 000 env steps: 5 steps of 16 environments in a segment.
    fn plausibility() -> Plausibility {
        let mut experiment = Experiment::default();
        experiment.experiment.total_env_steps = 1_000;
        Plausibility::new(&experiment)
    }

    fn check(report: &v1::Report) -> Result<(), ReportPart> {
        plausibility().check(report).map_err(|found| {
            assert!(!found.to_string().is_empty());
            found.part
        })
    }

    fn episode(return_sum: f64, length: u64) -> v1::Report {
        v1::Report {
            episodes: vec![v1::Episode { return_sum, length }],
            ..v1::Report::default()
        }
    }

    fn loss(term: &str, value: f64) -> v1::Report {
        let term = term.to_owned();
        v1::Report {
            losses: vec![v1::LossTerm { term, value }],
            ..v1::Report::default()
        }
    }

    fn observations(count: u64) -> v1::Report {
        let observations = v1::ObservationMoments {
            count,
            ..v1::ObservationMoments::default()
        };
        v1::Report {
            observations: Some(Box::new(observations)),
            ..v1::Report::default()
        }
    }

    #[test]
    fn what_segments_can_hold_passes() {
        assert_eq!(check(&v1::Report::default()), Ok(()));
        let largest = v1::Report {
            env_steps: 1_280,
            frames: 1_280,
            episodes: vec![
                v1::Episode {
                    return_sum: 500.0,
                    length: 500
                };
                1_280
            ],
            environment_restarts: 1_024,
            ..loss("value", f64::from(f32::MAX))
        };
        assert_eq!(check(&largest), Ok(()));
        assert_eq!(check(&observations(1_280)), Ok(()));
        assert_eq!(check(&episode(-f64::from(f32::MAX) * 10.0, 10)), Ok(()));
        assert_eq!(check(&episode(0.0, 16_000)), Ok(()));
    }

    #[test]
    fn counters_beyond_what_can_be_are_refused() {
        for found in [1_281, BEYOND[0], BEYOND[1]] {
            let steps = v1::Report {
                env_steps: found,
                ..v1::Report::default()
            };
            assert_eq!(check(&steps), Err(ReportPart::EnvSteps));
            let frames = v1::Report {
                env_steps: 1_280,
                frames: found,
                ..v1::Report::default()
            };
            assert_eq!(check(&frames), Err(ReportPart::Frames));
            let restarts = v1::Report {
                environment_restarts: found,
                ..v1::Report::default()
            };
            assert_eq!(check(&restarts), Err(ReportPart::EnvironmentRestarts));
            assert_eq!(check(&observations(found)), Err(ReportPart::Observations));
            assert_eq!(
                check(&episode(0.0, found.saturating_mul(16))),
                Err(ReportPart::EpisodeLength)
            );
        }
        assert_eq!(check(&episode(0.0, 0)), Err(ReportPart::EpisodeLength));
        let many = v1::Report {
            episodes: vec![v1::Episode::default(); 1_281],
            ..v1::Report::default()
        };
        assert_eq!(check(&many), Err(ReportPart::Episodes));
    }

    #[test]
    fn numbers_that_no_float_can_be_are_refused_and_those_that_are_none_pass() {
        for beyond in [1e308, -1e308, f64::MAX, f64::MIN] {
            assert_eq!(check(&episode(beyond, 10)), Err(ReportPart::EpisodeReturn));
            assert_eq!(check(&loss("value", beyond)), Err(ReportPart::Losses));
        }
        for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(check(&episode(odd, 10)), Ok(()));
            assert_eq!(check(&loss("value", odd)), Ok(()));
        }
    }

    #[test]
    fn names_and_lists_have_their_bounds_whatever_the_transport() {
        for name in [String::new(), "a\nb".into(), "x".repeat(1_000_000)] {
            assert_eq!(check(&loss(&name, 1.0)), Err(ReportPart::Losses));
        }
        let many = v1::Report {
            losses: vec![v1::LossTerm::default(); 17],
            ..v1::Report::default()
        };
        assert_eq!(check(&many), Err(ReportPart::Losses));
        let wide = v1::ObservationMoments {
            mean: vec![0.0; 100_000],
            ..v1::ObservationMoments::default()
        };
        let wide = v1::Report {
            observations: Some(Box::new(wide)),
            ..v1::Report::default()
        };
        assert_eq!(check(&wide), Err(ReportPart::Observations));
    }

    #[test]
    fn every_bounded_field_of_a_report_belongs_to_a_part() {
        for bound in troop_common::bounds::ALL {
            let message = bound.field.split('.').next().unwrap();
            let of_report = ["Report", "LossTerm", "ObservationMoments"].contains(&message);
            assert_eq!(ReportPart::of_field(bound.field).is_some(), of_report);
        }
    }
}
