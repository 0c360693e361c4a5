use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::PpoSettings;

use crate::method::returns::{advantages, normalize};

/// What a segment's losses hold constant, one number for each of `B` rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// `w_t = min(c, π_prox(a_t|s_t)/π_behav(a_t|s_t))`.
    pub(super) w_t: Vec<f64>,
    /// `log π_prox(a_t|s_t)`.
    pub(super) log_prox: Vec<f64>,
    /// `V(s_t)` by the weights of `π_prox`.
    pub(super) v_t: Vec<f32>,
    /// `Â_t`.
    pub(super) a_t: Vec<f32>,
    /// `R_t`.
    pub(super) r_t: Vec<f32>,
}

impl Targets {
    /// Those of a whole segment, from `log π_prox` and `log π_behav` of its actions, and from values.
    pub(super) fn new(
        settings: &PpoSettings,
        segment: &Segment,
        log_prox: Vec<f64>,
        log_behav: &[f64],
        v_t: &[f32],
        open: &OpenValues,
    ) -> Self {
        let limit = settings.importance_weight_limit.unwrap_or(f64::INFINITY);
        let weight = |(prox, behav): (&f64, &f64)| (prox - behav).exp().min(limit);
        let (discount, lambda) = (settings.discount, settings.gae_lambda);
        let a_t = advantages(&segment.rewards, v_t, &segment.ends, open, discount, lambda);
        Self {
            w_t: log_prox.iter().zip(log_behav).map(weight).collect(),
            log_prox,
            r_t: a_t.iter().zip(v_t).map(|(a, v)| a + v).collect(),
            v_t: v_t.to_vec(),
            a_t,
        }
    }

    /// Those of some rows, with advantages normalised among them if the settings say so.
    pub(super) fn of_rows(&self, rows: &[usize], normalizes: bool) -> Self {
        let mut a_t = chosen(&self.a_t, rows);
        if normalizes {
            normalize(&mut a_t);
        }
        Self {
            w_t: chosen(&self.w_t, rows),
            log_prox: chosen(&self.log_prox, rows),
            v_t: chosen(&self.v_t, rows),
            r_t: chosen(&self.r_t, rows),
            a_t,
        }
    }
}

fn chosen<T: Copy>(all: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|row| all[*row]).collect()
}
