//! One update's loss (Wang et al. 2017, algorithms 2 and 3).

use tch::{Kind, Tensor};
use troop_common::experiment::AcerSettings;

use super::ascent::{importance, truncated};
use super::variant::{Judgement, Samples, States, Truncation, Variant};
use crate::method::loss::{Loss, constant, reduce};
use crate::method::retrace::retrace;
use crate::method::trust_region;
use crate::nn::Parameters;
use crate::nn::to_vec;
use troop_common::experience::{OpenValues, Segment};

/// Terms that are the same in every on-policy update.
pub(super) const OFF_POLICY_TERMS: [&str; 2] = ["importance_weight", "bias_correction"];

/// A segment of `B` rows as the current parameters see it.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) states: States,
    /// As the family takes them, `[B, 1]` or `[B, D]`.
    pub(super) actions: Tensor,
    pub(super) samples: Option<Samples>,
    pub(super) judgement: Judgement,
}

impl Evaluated {
    pub(super) fn new(
        variant: &dyn Variant,
        parameters: &Parameters,
        states: States,
        actions: Tensor,
        samples: Option<Samples>,
    ) -> Self {
        Self {
            judgement: variant.judge(parameters, &states, &actions, samples.as_ref()),
            states,
            actions,
            samples,
        }
    }
}

/// What the loss holds constant.
#[derive(Debug)]
pub(super) struct Targets {
    /// The policy's step, projected, `[B, K]`.
    pub(super) z: Tensor,
    /// `Qret_t`, `[B]`.
    q_ret: Tensor,
    /// `min(1, ρ_t)(Qret_t − Q_t) + V_t`, `[B]` (eq. 14), where V is learnt by itself.
    v_target: Option<Tensor>,
    /// Parts for people to look at.
    terms: Vec<(&'static str, Tensor)>,
}

/// The targets of a segment; `phi_avg` are the average network's statistics, `[B, K]`, `open` the values
/// behind the segment's open ends.
pub(super) fn targets(
    settings: &AcerSettings,
    variant: &dyn Variant,
    segment: &Segment,
    of: &Evaluated,
    phi_avg: &Tensor,
    open: &OpenValues,
) -> Targets {
    let family = variant.family();
    let phi = of.states.phi.detach();
    let (q_t, v_t) = (of.judgement.q_t.detach(), of.states.v.detach());
    let mu = Tensor::from_slice(&segment.behaviour)
        .view_as(&phi)
        .to_kind(phi.kind());
    let rho_t = importance(family, &phi, &mu, &of.actions);
    let backed_up = |c_t: &[f32]| {
        let Segment { rewards, ends, .. } = segment;
        retrace(
            rewards,
            &to_vec(&q_t),
            &to_vec(&v_t),
            c_t,
            ends,
            open,
            settings.discount,
        )
    };
    let q_ret = constant(&backed_up(&to_vec(&variant.trace(&rho_t))), phi.kind());
    let (q_policy, v_target) = if variant.learns_state_values() {
        let q_opc = constant(&backed_up(&vec![1.0; segment.len()]), phi.kind());
        (q_opc, Some(rho_t.clamp_max(1.0) * (&q_ret - &q_t) + &v_t))
    } else {
        (q_ret.shallow_clone(), None)
    };
    let seen = Seen {
        phi: &phi,
        mu: &mu,
        rho_t: &rho_t,
        v_t: &v_t,
    };
    let advantage_t = q_policy - &v_t;
    let (z, terms) = step(settings, variant, of, &seen, &advantage_t, phi_avg);
    Targets {
        z,
        q_ret,
        v_target,
        terms,
    }
}

/// What a step of the policy holds constant: of the current policies, and of those that acted.
struct Seen<'a> {
    phi: &'a Tensor,
    mu: &'a Tensor,
    rho_t: &'a Tensor,
    v_t: &'a Tensor,
}

/// The policy's step, projected, and its parts for people to look at.
fn step(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    &Seen {
        phi,
        mu,
        rho_t,
        v_t,
    }: &Seen<'_>,
    advantage_t: &Tensor,
    phi_avg: &Tensor,
) -> (Tensor, Vec<(&'static str, Tensor)>) {
    let (family, limit) = (variant.family(), settings.importance_weight_limit);
    let direct = truncated(family, phi, &of.actions, rho_t, advantage_t, limit);
    let truncation = Truncation {
        phi,
        mu,
        q_other: &of.judgement.q_other,
        v: v_t,
    };
    let correction = match limit {
        Some(c) => variant.correction(&truncation, of.samples.as_ref(), c),
        None => direct.zeros_like(),
    };
    let g = &direct + &correction;
    let z = match settings.trust_region {
        Some(delta) => {
            let kappa = family.divergence_gradient(phi_avg, phi);
            trust_region::project(&g, &kappa, delta)
        }
        None => g.shallow_clone(),
    };
    let weight = limit.map_or_else(|| rho_t.shallow_clone(), |c| rho_t.clamp_max(c));
    let log_f = family.log_probability(phi, &of.actions);
    let held = z.ne_tensor(&g).any_dim(-1, false).to_kind(phi.kind());
    let terms = vec![
        ("policy", mean(&-(weight * log_f * advantage_t))),
        ("importance_weight", mean(rho_t)),
        ("bias_correction", mean(&length(&correction))),
        ("kl", mean(&family.divergence(phi_avg, phi))),
        ("trust_region", mean(&held)),
    ];
    (z, terms)
}

/// The loss of a segment with these targets.
pub(super) fn descend(
    settings: &AcerSettings,
    variant: &dyn Variant,
    of: &Evaluated,
    targets: &Targets,
) -> Loss {
    let States { phi, v, .. } = &of.states;
    let entropy = variant.family().entropy(phi);
    let ascent = (phi * &targets.z).sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>);
    let mut value_loss = (&targets.q_ret - &of.judgement.q_t).square();
    if let Some(v_target) = &targets.v_target {
        value_loss += (v_target - v).square();
    }
    let per_row =
        -ascent - &entropy * settings.entropy_weight + &value_loss * settings.value_weight;
    let mut terms: Vec<_> = targets
        .terms
        .iter()
        .map(|(name, term)| (*name, term.shallow_clone()))
        .collect();
    terms.extend([
        ("value", mean(&value_loss.detach())),
        ("entropy", mean(&entropy.detach())),
    ]);
    Loss::new(reduce(&per_row, settings.reduction), terms)
}

fn mean(rows: &Tensor) -> Tensor {
    rows.mean(None::<Kind>)
}

/// Euclidean, `[B, K]` to `[B]`.
fn length(rows: &Tensor) -> Tensor {
    rows.square()
        .sum_dim_intlist([-1_i64].as_slice(), false, None::<Kind>)
        .sqrt()
}
