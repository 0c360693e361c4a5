//! Several choices at once, independent of each other, in terms of logits `[B, Σ A_k]`.

use rand_chacha::ChaCha8Rng;
use tch::{Kind, Tensor};

use super::categorical::{self, draw};
use super::choice::argmax;
use super::likelihood::Likelihood;

/// The logits `[B, A_k]` of each component.
fn components(logits: &Tensor, choices: &[usize]) -> Vec<Tensor> {
    let sizes: Vec<i64> = choices.iter().map(|n| *n as i64).collect();
    logits.split_with_sizes(sizes, -1)
}

/// `actions` are `[B, K]`. A product of distributions: both parts are sums over components.
pub(super) fn likelihood(logits: &Tensor, actions: &[i64], choices: &[usize]) -> Likelihood {
    let actions = Tensor::from_slice(actions).view([-1, choices.len() as i64]);
    let parts = components(logits, choices);
    let parts = (0..)
        .zip(&parts)
        .map(|(k, logits)| categorical::likelihood(logits, &actions.select(1, k)));
    let (log_probabilities, entropies): (Vec<Tensor>, Vec<Tensor>) = parts
        .map(|part| (part.log_probability, part.entropy))
        .unzip();
    let sum = |parts: Vec<Tensor>| {
        Tensor::stack(&parts, 0).sum_dim_intlist([0_i64].as_slice(), false, None::<Kind>)
    };
    Likelihood {
        log_probability: sum(log_probabilities),
        entropy: sum(entropies),
    }
}

/// Log-probabilities of all choices, `[B, Σ A_k]`.
pub(super) fn log_probabilities(logits: &Tensor, choices: &[usize]) -> Tensor {
    let parts = components(logits, choices);
    let log_pi: Vec<Tensor> = parts
        .iter()
        .map(|logits| logits.log_softmax(-1, None::<Kind>))
        .collect();
    Tensor::cat(&log_pi, -1)
}

/// Draws one of each component's choices for each row of logits, `[B, K]` flattened.
pub(super) fn sample(logits: &[f32], choices: &[usize], rng: &mut ChaCha8Rng) -> Vec<i64> {
    let mut rest = logits;
    let mut drawn = Vec::new();
    for n in choices.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (row, tail) = rest.split_at(*n);
        drawn.push(draw(row, rng));
        rest = tail;
    }
    drawn
}

/// The likeliest of each component's choices, `[B, K]` flattened.
pub(super) fn mode(logits: &Tensor, choices: &[usize]) -> Vec<i64> {
    let best: Vec<Vec<i64>> = components(logits, choices).iter().map(argmax).collect();
    let rows = best.first().map_or(0, Vec::len);
    let row = |row| best.iter().map(move |component| component[row]);
    (0..rows).flat_map(row).collect()
}
