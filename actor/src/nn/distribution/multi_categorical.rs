//! Several choices at once, independent of each other, by logits `[Σ A_k]`.

use rand_chacha::ChaCha8Rng;

use super::categorical;
use super::choice::best;
use super::likelihood::Likelihood;

/// Each component's part of a row: its logits, and which of them are open.
fn components<'a>(
    logits: &'a [f32],
    mask: Option<&'a [bool]>,
    choices: &'a [usize],
) -> impl Iterator<Item = (&'a [f32], Option<&'a [bool]>)> {
    let mut start = 0;
    choices.iter().map(move |n| {
        let range = start..start + n;
        start += n;
        (&logits[range.clone()], mask.map(|mask| &mask[range]))
    })
}

/// `actions` are `[K]`. A product of distributions: both parts are sums over components.
pub(super) fn likelihood(
    logits: &[f32],
    mask: Option<&[bool]>,
    choices: &[usize],
    actions: &[i64],
) -> Likelihood {
    let mut sum = Likelihood::default();
    for ((logits, mask), action) in components(logits, mask, choices).zip(actions) {
        let of_one = categorical::likelihood(logits, mask, *action);
        sum.log_probability += of_one.log_probability;
        sum.entropy += of_one.entropy;
    }
    sum
}

/// Adds to `gradient` what a loss's derivatives are at the logits.
pub(super) fn gradient(
    logits: &[f32],
    mask: Option<&[bool]>,
    choices: &[usize],
    actions: &[i64],
    of: Likelihood,
    mut gradient: &mut [f32],
) {
    for ((logits, mask), action) in components(logits, mask, choices).zip(actions) {
        let (own, rest) = gradient.split_at_mut(logits.len());
        let at = categorical::likelihood(logits, mask, *action);
        categorical::gradient(logits, mask, *action, at, of, own);
        gradient = rest;
    }
}

/// Draws one of each component's choices, `[K]`.
pub(super) fn draw(
    logits: &[f32],
    mask: Option<&[bool]>,
    choices: &[usize],
    rng: &mut ChaCha8Rng,
) -> Vec<i64> {
    components(logits, mask, choices)
        .map(|(logits, mask)| categorical::draw(logits, mask, rng))
        .collect()
}

/// The likeliest of each component's choices, `[K]`.
pub(super) fn mode(logits: &[f32], mask: Option<&[bool]>, choices: &[usize]) -> Vec<i64> {
    components(logits, mask, choices)
        .map(|(logits, mask)| best(logits, mask) as i64)
        .collect()
}
