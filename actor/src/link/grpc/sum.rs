//! Gradients of the workers of one session, which are summed before they are sent.

use troop_common::bounds::EPISODES;
use troop_common::moments::Moments;
use troop_common::proto::v1::{LossTerm, ObservationMoments, Report};

use super::computed_on::ComputedOn;
use crate::link::contribution::Contribution;

/// The sum of contributions that were computed on weights of one connection, and what their workers report together.
#[derive(Default)]
pub(super) struct Sum {
    /// How many there are.
    pub(super) gradients: u64,
    /// Its version is the oldest of theirs.
    pub(super) contribution: Contribution,
    pub(super) computed_on: ComputedOn,
}

impl Sum {
    /// Whether a contribution can be added to any: its gradient and its moments are finite. Else all would be refused
    /// because of it.
    pub(super) fn can_have(contribution: &Contribution) -> bool {
        let finite = contribution.gradient.iter().all(|value| value.is_finite());
        finite && moments(contribution.report.observations.as_deref()).is_some()
    }

    /// Whether there is room for what a contribution reports beside what is reported already, and both belong to one
    /// connection.
    pub(super) fn has_room_for(&self, report: &Report, computed_on: &ComputedOn) -> bool {
        let episodes = self.contribution.report.episodes.len() + report.episodes.len();
        let same = self.computed_on.connection == computed_on.connection;
        self.gradients == 0 || same && episodes <= EPISODES.most
    }

    /// Adds a contribution, whose buffer may be taken and another left in its place.
    pub(super) fn add(&mut self, contribution: &mut Contribution, computed_on: &ComputedOn) {
        if self.gradients == 0 {
            let elements = contribution.gradient.len();
            std::mem::swap(&mut self.contribution, contribution);
            contribution.gradient.resize(elements, 0.0);
            self.computed_on = computed_on.clone();
        } else {
            add(&mut self.contribution.gradient, &contribution.gradient);
            let added = std::mem::take(&mut contribution.report);
            add_report(&mut self.contribution.report, added, self.gradients);
            self.contribution.version = self.contribution.version.min(contribution.version);
            self.computed_on.keep_oldest(computed_on);
        }
        self.gradients += 1;
    }
}

/// What is too large for an `f32` stays the largest one: finite gradients have a finite sum.
fn add(sum: &mut [f32], gradient: &[f32]) {
    for (sum, value) in sum.iter_mut().zip(gradient) {
        *sum = (*sum + value).clamp(f32::MIN, f32::MAX);
    }
}

/// Adds a report to one that `before` workers have made together.
fn add_report(sum: &mut Report, added: Report, before: u64) {
    let Report {
        env_steps,
        frames,
        mut episodes,
        losses,
        environment_restarts,
        observations,
        evaluation: _,
    } = added;
    sum.env_steps += env_steps;
    sum.frames += frames;
    sum.episodes.append(&mut episodes);
    sum.environment_restarts += environment_restarts;
    for loss in losses {
        add_loss(&mut sum.losses, loss, before);
    }
    if let Some(mut moments) = moments(sum.observations.as_deref())
        && let Some(added) = self::moments(observations.as_deref())
        && moments.combines_with(&added)
    {
        moments.merge(&added);
        sum.observations = (moments.count() > 0).then(|| (&moments).into());
    }
}

/// Takes the mean of a loss term over workers.
fn add_loss(sum: &mut Vec<LossTerm>, added: LossTerm, before: u64) {
    match sum.iter_mut().find(|loss| loss.term == added.term) {
        Some(loss) => loss.value += (added.value - loss.value) / (before + 1) as f64,
        None => sum.push(added),
    }
}

/// None if they cannot be; no vectors if there are none.
fn moments(observations: Option<&ObservationMoments>) -> Option<Moments> {
    observations.map_or_else(
        || Some(Moments::default()),
        |moments| Moments::try_from(moments).ok(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::proto::v1::Episode;

    fn computed_on(connection: u64, versions: &[u64], env_steps: u64) -> ComputedOn {
        ComputedOn {
            connection,
            versions: versions.to_vec(),
            env_steps,
        }
    }

    fn contribution(version: u64, gradient: &[f32], episodes: usize) -> Contribution {
        let mut moments = Moments::default();
        moments.extend(gradient, 1);
        Contribution {
            epoch: 1,
            version,
            gradient: gradient.to_vec(),
            report: Report {
                env_steps: 10,
                frames: 40,
                episodes: vec![
                    Episode {
                        return_sum: 1.0,
                        length: 5
                    };
                    episodes
                ],
                losses: vec![LossTerm {
                    term: "policy".into(),
                    value: f64::from(gradient[0]),
                }],
                environment_restarts: 1,
                observations: Some((&moments).into()),
                evaluation: None,
            },
        }
    }

    fn sum_of(parts: &[(Contribution, ComputedOn)]) -> Sum {
        let mut sum = Sum::default();
        for (contribution, computed_on) in parts {
            assert!(Sum::can_have(contribution));
            assert!(sum.has_room_for(&contribution.report, computed_on));
            sum.add(&mut contribution.clone(), computed_on);
        }
        sum
    }

    #[test]
    fn gradients_are_added_and_reports_tell_of_all() {
        let sum = sum_of(&[
            (contribution(7, &[1.0, 2.0], 2), computed_on(1, &[7, 9], 70)),
            (
                contribution(5, &[4.0, -8.0], 1),
                computed_on(1, &[5, 11], 50),
            ),
            (
                contribution(6, &[7.0, 0.5], 0),
                computed_on(1, &[6, 10], 60),
            ),
        ]);
        let Contribution {
            version,
            gradient,
            report,
            ..
        } = sum.contribution;
        assert_eq!((sum.gradients, version), (3, 5));
        assert_eq!(gradient, [12.0, -5.5]);
        assert_eq!((report.env_steps, report.frames), (30, 120));
        assert_eq!((report.episodes.len(), report.environment_restarts), (3, 3));
        assert_eq!((report.losses.len(), report.losses[0].value), (1, 4.0));
        let observations = report.observations.unwrap();
        assert_eq!(observations.count, 6);
        assert!((observations.mean[0] - 6.5 / 6.0).abs() < 1e-12);
        assert_eq!(sum.computed_on, computed_on(1, &[5, 9], 70));
    }

    #[test]
    fn finite_gradients_have_a_finite_sum_and_others_are_no_part_of_any() {
        let largest = || contribution(1, &[f32::MAX], 0);
        let sum = sum_of(&[
            (largest(), computed_on(1, &[1], 0)),
            (largest(), computed_on(1, &[1], 0)),
        ]);
        assert_eq!(sum.contribution.gradient, [f32::MAX]);
        for odd in [f32::NAN, f32::INFINITY] {
            let mut odd_gradient = largest();
            odd_gradient.gradient[0] = odd;
            assert!(!Sum::can_have(&odd_gradient));
            let mut odd_moments = largest();
            odd_moments.report.observations.as_mut().unwrap().mean[0] = f64::from(odd);
            assert!(!Sum::can_have(&odd_moments));
        }
    }

    #[test]
    fn a_report_has_as_many_episodes_as_the_contract_allows_and_connections_do_not_mix() {
        let sum = sum_of(&[(
            contribution(1, &[1.0], EPISODES.most),
            computed_on(1, &[1], 0),
        )]);
        let (none, one) = (contribution(1, &[1.0], 0), contribution(1, &[1.0], 1));
        let (here, there) = (computed_on(1, &[1], 0), computed_on(2, &[1], 0));
        assert!(sum.has_room_for(&none.report, &here));
        assert!(!sum.has_room_for(&one.report, &here));
        assert!(!sum.has_room_for(&none.report, &there));
        assert!(Sum::default().has_room_for(&one.report, &there));
    }
}
