//! The moments of all workers' observations, if the experiment normalises them.

use std::sync::{Arc, Mutex};

use troop_common::moments::Moments;
use troop_common::proto::v1;

use crate::answers::{Refusal, Verdict};
use crate::lock::lock;

/// Combines what workers report; what they are given with each publish.
pub(crate) struct ObservationMoments {
    /// None if observations are used as they are.
    combined: Option<Mutex<Combined>>,
}

/// The first report that passes decides how many dimensions observations have, and not the first one
/// that is counted: in a round others may be checked between.
struct Combined {
    moments: Arc<Moments>,
    dimensions: Option<usize>,
}

impl Combined {
    fn new(moments: Moments) -> Self {
        let dimensions = (moments.count() > 0).then(|| moments.mean().len());
        Self {
            moments: Arc::new(moments),
            dimensions,
        }
    }

    /// Whether these are of such observations as the run has.
    fn admit(&mut self, moments: &Moments) -> Result<(), Refusal> {
        let found = moments.mean().len();
        if moments.count() == 0 {
            return Ok(());
        }
        let expected = *self.dimensions.get_or_insert(found);
        if expected == found {
            return Ok(());
        }
        let detail = format!(
            "observations have {found} dimensions; expected {expected}, as those of the run"
        );
        Err(Refusal::new(Verdict::Malformed, detail))
    }
}

impl ObservationMoments {
    /// None if `normalize` is false; else those of earlier lives, or of nothing yet.
    pub(crate) fn new(normalize: bool, earlier: Option<Moments>) -> Self {
        let combined = normalize.then(|| Mutex::new(Combined::new(earlier.unwrap_or_default())));
        Self { combined }
    }

    /// The moments of all that was reported so far.
    pub(crate) fn newest(&self) -> Option<Arc<Moments>> {
        Some(Arc::clone(&lock(self.combined.as_ref()?).moments))
    }

    /// Why the gradient that comes with a report must not be applied, if its observations
    /// cannot be: it was computed on them.
    pub(crate) fn check(&self, report: &v1::Report) -> Result<(), Refusal> {
        let Some((combined, moments)) = self.read(report)? else {
            return Ok(());
        };
        lock(combined).admit(&moments)
    }

    /// Adds a report's observations; those that [`check`](Self::check) refuses are left out.
    pub(crate) fn record(&self, report: &v1::Report) {
        if let Ok(Some((combined, moments))) = self.read(report) {
            // Looked at and added under one lock: what others report cannot come between.
            let mut combined = lock(combined);
            if combined.admit(&moments).is_ok() {
                Arc::make_mut(&mut combined.moments).merge(&moments);
            }
        }
    }

    /// What a report says, and what it is to be combined with.
    fn read(&self, report: &v1::Report) -> Result<Option<(&Mutex<Combined>, Moments)>, Refusal> {
        let (Some(combined), Some(reported)) = (&self.combined, &report.observations) else {
            return Ok(None);
        };
        let moments = Moments::try_from(&**reported).map_err(|error| {
            Refusal::new(Verdict::NonFinite, format!("observation moments: {error}"))
        })?;
        Ok(Some((combined, moments)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(observations: &[f32]) -> v1::Report {
        let mut moments = Moments::default();
        moments.extend(observations, 1);
        v1::Report {
            observations: Some((&moments).into()),
            ..v1::Report::default()
        }
    }

    #[test]
    fn reports_combine_and_go_on_from_an_earlier_life() {
        let first = ObservationMoments::new(true, None);
        assert_eq!(first.newest().unwrap().count(), 0);
        first.record(&report(&[1.0, 2.0]));
        first.record(&v1::Report::default());
        let held = first.newest().unwrap();
        let resumed = ObservationMoments::new(true, Some((*held).clone()));
        resumed.record(&report(&[6.0]));
        let newest = resumed.newest().unwrap();
        assert_eq!((newest.count(), newest.mean()), (3, [3.0].as_slice()));
        assert_eq!(newest.m2(), [14.0]);
        assert_eq!(held.count(), 2, "what was published does not change");
    }

    #[test]
    fn without_normalization_there_are_none() {
        let none = ObservationMoments::new(false, None);
        none.record(&report(&[1.0]));
        assert_eq!(none.newest(), None);
        assert_eq!(none.check(&report(&[f32::NAN])), Ok(()));
    }

    fn of_dimensions(dimensions: usize) -> v1::Report {
        let mut moments = Moments::default();
        moments.extend(&vec![1.0; dimensions], dimensions);
        v1::Report {
            observations: Some((&moments).into()),
            ..v1::Report::default()
        }
    }

    #[test]
    fn of_two_first_reports_one_decides_even_where_both_were_checked_before_any_was_counted() {
        let moments = ObservationMoments::new(true, None);
        let (two, three) = (of_dimensions(2), of_dimensions(3));
        assert_eq!(moments.check(&two), Ok(()));
        let refused = moments.check(&three).unwrap_err();
        assert_eq!(refused.verdict, Verdict::Malformed);
        moments.record(&three);
        moments.record(&two);
        assert_eq!(moments.newest().unwrap().mean(), [1.0; 2]);
    }

    #[test]
    fn first_reports_that_race_with_other_dimensions_panic_nowhere() {
        for _ in 0..200 {
            let moments = ObservationMoments::new(true, None);
            let barrier = std::sync::Barrier::new(4);
            let reports: Vec<_> = (1..=4).map(of_dimensions).collect();
            std::thread::scope(|scope| {
                for report in &reports {
                    scope.spawn(|| {
                        barrier.wait();
                        moments.record(report);
                        moments.check(report).is_ok()
                    });
                }
            });
            assert_eq!(moments.newest().unwrap().count(), 1);
        }
    }

    #[test]
    fn what_is_not_finite_or_has_other_dimensions_is_refused_and_left_out() {
        let moments = ObservationMoments::new(true, None);
        moments.record(&report(&[1.0, 3.0]));
        let wider = v1::Report {
            observations: Some(Box::new(v1::ObservationMoments {
                count: 1,
                mean: vec![0.0; 2],
                m2: vec![0.0; 2],
            })),
            ..v1::Report::default()
        };
        let before = moments.newest().unwrap();
        for (report, verdict) in [
            (report(&[f32::NAN]), Verdict::NonFinite),
            (report(&[0.0, f32::INFINITY]), Verdict::NonFinite),
            (wider, Verdict::Malformed),
        ] {
            assert_eq!(moments.check(&report).unwrap_err().verdict, verdict);
            moments.record(&report);
            assert_eq!(moments.newest().unwrap(), before);
        }
    }
}
