use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::PpoSettings;

use crate::method::returns::{advantages, normalize};
use crate::method::vtrace::vtrace;

/// ρ̄ and c̄ of V-trace (Espeholt et al. 2018; Petrenko et al. 2020).
const TRUNCATION: f64 = 1.0;

/// What a segment's losses hold constant, one number for each of `B` rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    /// `w_t = min(c, π_prox(a_t|s_t)/π_behav(a_t|s_t))`.
    pub(super) w_t: Vec<f64>,
    /// What is shown of importance weights: `w_t`, or V-trace's `ρ_t`.
    pub(super) rho_t: Vec<f64>,
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
        let w_t: Vec<f64> = log_prox.iter().zip(log_behav).map(weight).collect();
        let (discount, lambda) = (settings.discount, settings.gae_lambda);
        let a_t = advantages(&segment.rewards, v_t, &segment.ends, open, discount, lambda);
        Self {
            rho_t: w_t.clone(),
            w_t,
            log_prox,
            r_t: a_t.iter().zip(v_t).map(|(a, v)| a + v).collect(),
            v_t: v_t.to_vec(),
            a_t,
        }
    }

    /// Those of unrolls by V-trace, from `log π` of now and `log μ` of who acted. With `learnt` advantages are normalised among
    /// the rows that are learnt from.
    pub(super) fn traced(
        settings: &PpoSettings,
        segment: &Segment,
        (log_pi, log_mu): (&[f64], Vec<f64>),
        (v_t, open): (&[f32], &OpenValues),
        learnt: Option<&[bool]>,
    ) -> Self {
        let ratio = |(pi, mu): (&f64, &f64)| (pi - mu).exp().min(TRUNCATION);
        let rho_t: Vec<f64> = log_pi.iter().zip(&log_mu).map(ratio).collect();
        let lambda = f64::from(settings.gae_lambda);
        let c_t: Vec<f64> = rho_t.iter().map(|rho| lambda * rho).collect();
        let Segment { rewards, ends, .. } = segment;
        let traced = vtrace(rewards, v_t, &rho_t, &c_t, ends, open, settings.discount);
        let single = |values: Vec<f64>| values.into_iter().map(|value| value as f32);
        let mut a_t: Vec<f32> = single(traced.advantages).collect();
        if let Some(learnt) = learnt {
            normalize_among(&mut a_t, learnt);
        }
        Self {
            w_t: vec![1.0; rho_t.len()],
            rho_t,
            log_prox: log_mu,
            v_t: v_t.to_vec(),
            a_t,
            r_t: single(traced.targets).collect(),
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
            rho_t: chosen(&self.rho_t, rows),
            log_prox: chosen(&self.log_prox, rows),
            v_t: chosen(&self.v_t, rows),
            r_t: chosen(&self.r_t, rows),
            a_t,
        }
    }
}

/// Shifts and scales those that are `learnt` from to mean 0 and deviation 1.
fn normalize_among(values: &mut [f32], learnt: &[bool]) {
    let rows: Vec<usize> = (0..values.len()).filter(|row| learnt[*row]).collect();
    let mut own = chosen(values, &rows);
    normalize(&mut own);
    for (row, value) in rows.iter().zip(own) {
        values[*row] = value;
    }
}

fn chosen<T: Copy>(all: &[T], rows: &[usize]) -> Vec<T> {
    rows.iter().map(|row| all[*row]).collect()
}
