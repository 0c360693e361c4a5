//! One update's loss (Wang et al. 2017, algorithms 2 and 3).

use troop_common::experience::{OpenValues, Segment};
use troop_common::experiment::AcerSettings;

use super::ascent::{importance, truncate, truncated};
use super::taken_actions::TakenActions;
use super::variant::{Derivatives, Judgement, Samples, States, Truncation, Variant};
use crate::method::actor_critic::BOUNDS_TERM;
use crate::method::loss::{Loss, mean, weight};
use crate::method::retrace::retrace;
use crate::method::trust_region;
use crate::nn::Model;

/// Terms that are the same in every on-policy update.
pub(super) const OFF_POLICY_TERMS: [&str; 2] = ["importance_weight", "bias_correction"];

/// A segment of `B` rows as the current parameters see it.
#[derive(Clone, Debug)]
pub(super) struct Evaluated {
    pub(super) states: States,
    pub(super) actions: TakenActions,
    pub(super) samples: Option<Samples>,
    pub(super) judgement: Judgement,
}

impl Evaluated {
    /// Of the states that the network's last forward pass was about.
    pub(super) fn new(
        variant: &dyn Variant,
        online: &mut dyn Model,
        states: States,
        actions: TakenActions,
        samples: Option<Samples>,
    ) -> Self {
        Self {
            judgement: variant.judge(online, &states, &actions, samples.as_ref()),
            states,
            actions,
            samples,
        }
    }
}

/// What the loss holds constant.
#[derive(Clone, Debug)]
pub(super) struct Targets {
    /// The policy's step, projected, `[B, K]`.
    pub(super) z: Vec<f64>,
    /// `Qret_t`, `[B]`.
    q_ret: Vec<f64>,
    /// `min(1, ρ_t)(Qret_t − Q_t) + V_t`, `[B]` (eq. 14), if V is learnt by itself.
    v_target: Option<Vec<f64>>,
    /// Parts for people to look at.
    terms: Vec<(&'static str, f64)>,
}

/// The targets of a segment; `phi_avg` are the average network's statistics, `[B, K]`, `open` the values
/// behind the segment's open ends.
pub(super) fn targets(
    settings: &AcerSettings,
    variant: &dyn Variant,
    segment: &Segment,
    of: &Evaluated,
    phi_avg: &[f64],
    open: &OpenValues,
) -> Targets {
    let mu: Vec<f64> = segment.behaviour.iter().map(|m| f64::from(*m)).collect();
    let rho_t = importance_weights(variant, of, &mu);
    let (q_t, v_t) = (&of.judgement.q_t, &of.states.v);
    let backed_up = |c_t: &dyn Fn(f64) -> f64| -> Vec<f64> {
        let singles = |values: &[f64]| -> Vec<f32> { values.iter().map(|v| *v as f32).collect() };
        let c_t: Vec<f32> = rho_t.iter().map(|rho| c_t(*rho) as f32).collect();
        let Segment { rewards, ends, .. } = segment;
        let (q_t, v_t) = (singles(q_t), singles(v_t));
        let targets = retrace(rewards, &q_t, &v_t, &c_t, ends, open, settings.discount);
        targets.iter().map(|q| f64::from(*q)).collect()
    };
    let q_ret = backed_up(&|rho| variant.trace(rho));
    let learns_values = variant.learns_state_values();
    let q_policy = match learns_values {
        true => backed_up(&|_| 1.0),
        false => q_ret.clone(),
    };
    let corrected = |row: usize| rho_t[row].min(1.0) * (q_ret[row] - q_t[row]) + v_t[row];
    let v_target = learns_values.then(|| (0..rho_t.len()).map(corrected).collect());
    let seen = Seen {
        mu: &mu,
        rho_t: &rho_t,
        phi_avg,
        q_policy: &q_policy,
    };
    let (z, terms) = steps(settings, variant, of, &seen);
    Targets {
        z,
        q_ret,
        v_target,
        terms,
    }
}

/// `ρ_t` of the actions taken, `[B]`.
fn importance_weights(variant: &dyn Variant, of: &Evaluated, mu: &[f64]) -> Vec<f64> {
    let (family, width) = (variant.family(), variant.statistics());
    let rows = of
        .states
        .phi
        .chunks_exact(width)
        .zip(mu.chunks_exact(width));
    rows.enumerate()
        .map(|(row, (phi, mu))| importance(family, phi, mu, of.actions.of(row)))
        .collect()
}

/// What steps of the policy hold constant beside the current policies.
struct Seen<'a> {
    /// Statistics of the policies that acted, `[B, K]`.
    mu: &'a [f64],
    /// `[B]`
    rho_t: &'a [f64],
    /// `[B, K]`
    phi_avg: &'a [f64],
    /// What actions are worth for the policy, `[B]`.
    q_policy: &'a [f64],
}

/// The policy's steps, projected, `[B, K]`, and their parts for people to look at.
fn steps(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    seen: &Seen<'_>,
) -> (Vec<f64>, Vec<(&'static str, f64)>) {
    let mut z = vec![0.0; of.states.phi.len()];
    let rows = z.chunks_exact_mut(variant.statistics()).enumerate();
    let parts: Vec<StepParts> = rows
        .map(|(row, z)| step(settings, variant, of, seen, row, z))
        .collect();
    let term = |part: fn(&StepParts) -> f64| mean(parts.iter().map(part));
    let terms = vec![
        ("policy", term(|parts| parts.policy)),
        ("importance_weight", mean(seen.rho_t.iter().copied())),
        ("bias_correction", term(|parts| parts.correction)),
        ("kl", term(|parts| parts.divergence)),
        (
            "trust_region",
            term(|parts| f64::from(u8::from(parts.is_held))),
        ),
    ];
    (z, terms)
}

/// Parts of a row's step, for people to look at.
struct StepParts {
    /// `−min(c, ρ_t) log f(a_t|φ) Â_t`.
    policy: f64,
    /// The bias correction's length.
    correction: f64,
    /// From the average policy.
    divergence: f64,
    /// Whether the trust region held it back.
    is_held: bool,
}

/// Writes a row's step, projected, `[K]`.
fn step(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    seen: &Seen<'_>,
    row: usize,
    z: &mut [f64],
) -> StepParts {
    let (family, width) = (variant.family(), z.len());
    let at = |values| row_of(values, row, width);
    let (phi, mu, phi_avg) = (at(&of.states.phi), at(seen.mu), at(seen.phi_avg));
    let (action, v) = (of.actions.of(row), of.states.v[row]);
    let limit = settings.importance_weight_limit;
    let weighted = truncate(seen.rho_t[row], limit) * (seen.q_policy[row] - v);
    truncated(family, phi, action, weighted, z);
    let mut correction = vec![0.0; width];
    if let Some(c) = limit {
        let others = &of.judgement.q_other;
        let other = of
            .samples
            .as_ref()
            .map_or(&[][..], |samples| at(&samples.other));
        let truncation = Truncation {
            phi,
            mu,
            q_other: row_of(others, row, others.len() / seen.rho_t.len()),
            other,
            v,
        };
        variant.correction(&truncation, c, &mut correction);
        z.iter_mut().zip(&correction).for_each(|(z, by)| *z += by);
    }
    let is_held = settings.trust_region.is_some_and(|delta| {
        let mut kappa = vec![0.0; width];
        family.divergence_gradient(phi_avg, phi, &mut kappa);
        trust_region::project(z, &kappa, delta)
    });
    StepParts {
        policy: -weighted * family.log_probability(phi, action),
        correction: correction.iter().map(|by| by * by).sum::<f64>().sqrt(),
        divergence: family.divergence(phi_avg, phi),
        is_held,
    }
}

fn row_of(values: &[f64], row: usize, width: usize) -> &[f64] {
    &values[row * width..(row + 1) * width]
}

/// The loss of a segment with these targets.
pub(super) fn descend(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    targets: &Targets,
) -> Loss {
    let rows = of.judgement.q_t.len();
    let share = weight(settings.reduction, rows);
    let mut derivatives = Derivatives::default();
    let (mut total, mut value_losses, mut entropies) = (0.0, Vec::new(), Vec::new());
    let mut penalties = Vec::new();
    for row in 0..rows {
        let ascent = descend_policy(settings, variant, of, targets, row, &mut derivatives.phi);
        let errors = ValueErrors::of(of, targets, row);
        derivatives
            .q_t
            .push(-2.0 * settings.value_weight * errors.q);
        let of_v = errors.v.map(|error| -2.0 * settings.value_weight * error);
        derivatives.v.extend(of_v);
        total += share * (settings.value_weight * errors.squared() - ascent.whole(settings));
        value_losses.push(errors.squared());
        entropies.push(ascent.entropy);
        penalties.extend(ascent.penalty);
    }
    derivatives.scale(share);
    let mut terms = targets.terms.clone();
    terms.push(("value", mean(value_losses.into_iter())));
    terms.push(("entropy", mean(entropies.into_iter())));
    if !penalties.is_empty() {
        terms.push((BOUNDS_TERM, mean(penalties.into_iter())));
    }
    let gradients = variant.gradients(&of.states, &of.actions, &derivatives);
    Loss::new(total, gradients, terms)
}

/// What a row's policy ascends.
struct Ascent {
    /// `φᵀz`
    step: f64,
    entropy: f64,
    /// What it descends of means beyond the bounds, if they cost anything.
    penalty: Option<f64>,
}

impl Ascent {
    fn whole(&self, settings: &AcerSettings) -> f64 {
        self.step + settings.entropy_weight * self.entropy - self.penalty.unwrap_or(0.0)
    }
}

/// What a row's policy ascends; adds the loss's derivatives with respect to φ, `[K]`.
fn descend_policy(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    targets: &Targets,
    row: usize,
    of_phi: &mut Vec<f64>,
) -> Ascent {
    let (family, width) = (variant.family(), variant.statistics());
    let (phi, z) = (
        row_of(&of.states.phi, row, width),
        row_of(&targets.z, row, width),
    );
    let start = of_phi.len();
    of_phi.resize(start + width, 0.0);
    family.entropy_gradient(phi, &mut of_phi[start..]);
    for (of, z) in of_phi[start..].iter_mut().zip(z) {
        *of = -(z + settings.entropy_weight * *of);
    }
    let penalty = variant.bounds_penalty();
    if let Some(penalty) = penalty {
        let to = of_phi[start..].iter_mut();
        to.zip(penalty.gradient(phi)).for_each(|(of, by)| *of += by);
    }
    Ascent {
        step: phi.iter().zip(z).map(|(phi, z)| phi * z).sum(),
        entropy: family.entropy(phi),
        penalty: penalty.map(|penalty| penalty.of(phi)),
    }
}

/// How far a row's values are from their targets.
struct ValueErrors {
    q: f64,
    /// If V is learnt by itself.
    v: Option<f64>,
}

impl ValueErrors {
    fn of(of: &Evaluated, targets: &Targets, row: usize) -> Self {
        let of_v = |target: &Vec<f64>| target[row] - of.states.v[row];
        Self {
            q: targets.q_ret[row] - of.judgement.q_t[row],
            v: targets.v_target.as_ref().map(of_v),
        }
    }

    fn squared(&self) -> f64 {
        self.q * self.q + self.v.map_or(0.0, |error| error * error)
    }
}
