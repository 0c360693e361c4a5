//! Judges one gradient by its staleness τ, in updates, at the moment of applying.

use crate::answers::{Refusal, Verdict};
use troop_common::experiment::{CompensationForm, LearnerSettings, StalenessPolicy};

/// What becomes of a gradient that is τ updates old.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum StalenessRule {
    /// It is applied as it is.
    Accept,
    /// It is refused if τ is above the limit (Nair et al. 2015, arXiv 1507.04296).
    Drop { max: u64 },
    /// It is applied at the learning rate × 1/max(1, τ) (Zhang et al. 2016, arXiv 1511.05950).
    Scale,
    /// `g + λ·g⊙g⊙(θ_now − θ_computed_on)` is applied (Zheng et al. 2017, arXiv 1609.08326), λ being
    /// this or what λ₀, which is this, makes of the gradients before.
    Compensate { lambda: f32 },
}

/// How a gradient is applied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Judgement {
    /// Its staleness, in updates.
    pub(crate) staleness: u64,
    /// Factor on the learning rate.
    pub(crate) rate_factor: f64,
    /// λ or λ₀, if the gradient is corrected by how far the parameters have moved.
    pub(crate) lambda: Option<f32>,
}

impl StalenessRule {
    /// If workers wait for each other nothing is left to judge: every gradient is accepted.
    pub(crate) fn new(settings: &LearnerSettings) -> Self {
        match settings.staleness {
            StalenessPolicy::Accept | StalenessPolicy::Bound | StalenessPolicy::Synchronous => {
                Self::Accept
            }
            StalenessPolicy::Drop => Self::Drop {
                max: settings.max_staleness_updates,
            },
            StalenessPolicy::Scale => Self::Scale,
            StalenessPolicy::Compensate => Self::Compensate {
                lambda: match settings.compensation_form {
                    CompensationForm::Constant => settings.compensation as f32,
                    CompensationForm::Adaptive => settings.adaptive_compensation as f32,
                },
            },
        }
    }

    /// Judges a gradient that was computed on version `computed_on` while the newest is `version`.
    pub(crate) fn judge(self, computed_on: u64, version: u64) -> Result<Judgement, Refusal> {
        let Some(staleness) = version.checked_sub(computed_on) else {
            let detail = format!("computed on version {computed_on}; the newest is {version}");
            return Err(Refusal::new(Verdict::Malformed, detail));
        };
        let judgement = Judgement {
            staleness,
            rate_factor: 1.0,
            lambda: None,
        };
        match self {
            Self::Drop { max } if staleness > max => {
                let detail = format!("{staleness} updates old; at most {max} are accepted");
                Err(Refusal::new(Verdict::Stale, detail))
            }
            Self::Accept | Self::Drop { .. } => Ok(judgement),
            Self::Scale => Ok(Judgement {
                rate_factor: 1.0 / staleness.max(1) as f64,
                ..judgement
            }),
            Self::Compensate { lambda } => Ok(Judgement {
                lambda: Some(lambda),
                ..judgement
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: [StalenessRule; 4] = [
        StalenessRule::Accept,
        StalenessRule::Drop { max: 10 },
        StalenessRule::Scale,
        StalenessRule::Compensate { lambda: 0.5 },
    ];

    fn judge(rule: StalenessRule, staleness: u64) -> Judgement {
        rule.judge(100, 100 + staleness).unwrap()
    }

    #[test]
    fn a_gradient_from_the_future_is_malformed_under_every_rule() {
        for rule in RULES {
            let refusal = rule.judge(100, 99).unwrap_err();
            assert_eq!(refusal.verdict, Verdict::Malformed);
            assert_eq!(judge(rule, 0).staleness, 0);
            assert_eq!(judge(rule, 7).staleness, 7);
        }
    }

    #[test]
    fn accept_takes_any_age_and_drop_up_to_its_limit() {
        assert_eq!(judge(StalenessRule::Accept, 1_000_000).rate_factor, 1.0);
        let drop = StalenessRule::Drop { max: 10 };
        assert_eq!(judge(drop, 10).rate_factor, 1.0);
        let refusal = drop.judge(100, 111).unwrap_err();
        assert_eq!(refusal.verdict, Verdict::Stale);
        assert!(refusal.detail.contains("11 updates old"), "{refusal:?}");
    }

    #[test]
    fn scale_divides_the_rate_by_the_staleness_from_two_on() {
        let factor = |staleness| judge(StalenessRule::Scale, staleness).rate_factor;
        assert_eq!((factor(0), factor(1)), (1.0, 1.0));
        assert_eq!((factor(2), factor(8)), (0.5, 0.125));
    }

    #[test]
    fn compensate_keeps_the_rate_and_asks_for_the_correction() {
        let judgement = judge(StalenessRule::Compensate { lambda: 0.5 }, 4);
        assert_eq!((judgement.rate_factor, judgement.lambda), (1.0, Some(0.5)));
    }

    #[test]
    fn policies_that_make_workers_wait_leave_nothing_to_judge() {
        for staleness in [StalenessPolicy::Bound, StalenessPolicy::Synchronous] {
            let settings = LearnerSettings {
                staleness,
                ..LearnerSettings::default()
            };
            assert_eq!(StalenessRule::new(&settings), StalenessRule::Accept);
        }
    }
}
