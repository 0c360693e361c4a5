//! The moments of all workers' observations, where the experiment normalises them.

use std::sync::{Arc, Mutex};

use troop_common::moments::Moments;
use troop_common::proto::v1::{self, Verdict};

use crate::admission::Refusal;
use crate::lock::lock;

/// Combines what workers report; what they are given with each publish.
pub(crate) struct ObservationMoments {
    /// None where observations are used as they are.
    combined: Option<Mutex<Arc<Moments>>>,
}

impl ObservationMoments {
    /// None where `normalize` is false; else those of earlier lives, or of nothing yet.
    pub(crate) fn new(normalize: bool, earlier: Option<Moments>) -> Self {
        let combined = normalize.then(|| Mutex::new(Arc::new(earlier.unwrap_or_default())));
        Self { combined }
    }

    /// The moments of all that was reported so far.
    pub(crate) fn newest(&self) -> Option<Arc<Moments>> {
        Some(Arc::clone(&lock(self.combined.as_ref()?)))
    }

    /// Why the gradient that comes with a report must not be applied, where its observations
    /// cannot be: it was computed on them.
    pub(crate) fn check(&self, report: &v1::Report) -> Result<(), Refusal> {
        self.read(report).map(drop)
    }

    /// Adds a report's observations; those that [`check`](Self::check) refuses are left out.
    pub(crate) fn record(&self, report: &v1::Report) {
        if let (Some(combined), Ok(Some(moments))) = (&self.combined, self.read(report)) {
            Arc::make_mut(&mut lock(combined)).merge(&moments);
        }
    }

    fn read(&self, report: &v1::Report) -> Result<Option<Moments>, Refusal> {
        let (Some(combined), Some(reported)) = (&self.combined, &report.observations) else {
            return Ok(None);
        };
        let moments = Moments::try_from(&**reported).map_err(|error| {
            Refusal::new(Verdict::NonFinite, format!("observation moments: {error}"))
        })?;
        let combined = lock(combined);
        if combined.combines_with(&moments) {
            return Ok(Some(moments));
        }
        let detail = format!(
            "observations have {} dimensions; expected {}, as those of the run",
            moments.mean().len(),
            combined.mean().len()
        );
        Err(Refusal::new(Verdict::Malformed, detail))
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
