use rand::{RngExt, SeedableRng};

use super::*;

const OPEN: &[bool] = &[];

fn statistics<'a>(heads: &'a [Vec<f32>], masks: &'a [bool]) -> Statistics<'a> {
    Statistics { heads, masks }
}

#[test]
fn samples_follow_the_distribution() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let rows = 20_000;
    let heads = [[0.0_f32, 1.0, 2.0].repeat(rows)];
    let policy = Policy::Categorical { actions: 3 };
    let Actions::Discrete(actions) = policy.sample(statistics(&heads, OPEN), &mut rng) else {
        panic!("discrete")
    };
    for (action, expected) in [0.090_031, 0.244_728, 0.665_241].iter().enumerate() {
        let found = actions.iter().filter(|a| **a == action as i64).count() as f64 / rows as f64;
        assert!(
            (found - expected).abs() < 0.015,
            "action {action}: {found} for {expected}"
        );
    }
}

#[test]
fn samples_of_normals_follow_their_deviations() {
    let rows = 20_000;
    let mean = [1.0_f32, -1.0].repeat(rows);
    let diagonal = Policy::DiagonalGaussian {
        dimensions: 2,
        initial_deviation: 1.0,
    };
    let softplus = 2.0_f64.ln().sqrt();
    for (policy, output, deviations) in [
        (
            Policy::Gaussian { dimensions: 2 },
            vec![0.0; rows],
            [softplus; 2],
        ),
        (
            diagonal,
            [-0.5_f32, 0.2].repeat(rows),
            [(-0.5_f64).exp(), 0.2_f64.exp()],
        ),
    ] {
        let heads = [mean.clone(), output];
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let Actions::Continuous(actions) = policy.sample(statistics(&heads, OPEN), &mut rng) else {
            panic!("continuous")
        };
        for (dimension, expected) in [1.0, -1.0].into_iter().enumerate() {
            let of_one = actions.iter().skip(dimension).step_by(2);
            let of_one: Vec<f64> = of_one.map(|a| f64::from(*a)).collect();
            let mean = of_one.iter().sum::<f64>() / rows as f64;
            let variance = of_one.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / rows as f64;
            let deviation = variance.sqrt();
            assert!((mean - expected).abs() < 0.03, "{policy:?}: mean {mean}");
            let apart = (deviation - deviations[dimension]).abs();
            assert!(apart < 0.02, "{policy:?}: deviation {deviation}");
        }
    }
}

#[test]
fn several_choices_are_the_product_of_their_parts() {
    let policy = Policy::MultiCategorical {
        choices: vec![3, 2],
    };
    let heads = [vec![0.0, 1.0, 2.0, -1.0, 0.5]];
    let of = statistics(&heads, OPEN);
    let both = policy.likelihoods(of, &Actions::MultiDiscrete(vec![2, 0]))[0];
    let first = categorical::likelihood(&heads[0][..3], None, 2);
    let second = categorical::likelihood(&heads[0][3..], None, 0);
    let same = |a: f64, b: f64| assert!((a - b).abs() < 1e-12);
    let sum = first.log_probability + second.log_probability;
    same(both.log_probability, sum);
    same(both.entropy, first.entropy + second.entropy);
    assert_eq!(policy.mode(of), Actions::MultiDiscrete(vec![2, 1]));
}

#[test]
fn what_is_joined_is_separated_again() {
    let policy = Policy::Gaussian { dimensions: 2 };
    let heads = [vec![1.0, 2.0, 3.0, 4.0], vec![5.0, 6.0]];
    let joined = policy.joined(statistics(&heads, OPEN));
    assert_eq!(joined, [1.0, 2.0, 5.0, 3.0, 4.0, 6.0]);
    assert_eq!(policy.separated(&joined), heads);
    assert!(policy.separated(&[]).iter().all(Vec::is_empty));
    for policy in [
        Policy::Categorical { actions: 3 },
        Policy::MultiCategorical {
            choices: vec![2, 4],
        },
        policy,
    ] {
        let outputs: usize = policy.heads().iter().map(|head| head.outputs).sum();
        assert_eq!(policy.statistics_len(), outputs);
    }
}

#[test]
fn several_choices_are_drawn_independently() {
    let rows = 20_000;
    let policy = Policy::MultiCategorical {
        choices: vec![3, 2],
    };
    let heads = [[0.0_f32, 1.0, 2.0, 0.0, 1.0].repeat(rows)];
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let Actions::MultiDiscrete(drawn) = policy.sample(statistics(&heads, OPEN), &mut rng) else {
        panic!("several choices")
    };
    assert_eq!(drawn.len(), 2 * rows);
    for (first, second, expected) in [(2, 1, 0.665_241 * 0.731_059), (0, 0, 0.090_031 * 0.268_941)]
    {
        let pair = [first, second];
        let found = drawn.chunks_exact(2).filter(|row| **row == pair).count() as f64;
        assert!((found / rows as f64 - expected).abs() < 0.015, "{pair:?}");
    }
}

#[test]
fn closed_choices_have_no_probability_no_entropy_and_no_gradient() {
    let policy = Policy::Categorical { actions: 3 };
    let heads = [vec![0.0, 1.0, 9.0]];
    let of = statistics(&heads, &[true, true, false]);
    let actions = Actions::Discrete(vec![1]);
    let found = policy.likelihoods(of, &actions)[0];
    // Of two logits 0 and 1.
    assert!((found.log_probability + 0.313_262).abs() < 1e-6);
    assert!((found.entropy - 0.582_203).abs() < 1e-6);
    let of_both = Likelihood {
        log_probability: 1.0,
        entropy: 1.0,
    };
    let gradient = &policy.gradients(of, &actions, &[found], &[of_both])[0];
    assert_eq!(gradient[2], 0.0);
    assert!(gradient[0].is_finite() && gradient[0] != 0.0);
    assert_eq!(policy.mode(of), Actions::Discrete(vec![1]));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..1000 {
        assert_ne!(policy.sample(of, &mut rng), Actions::Discrete(vec![2]));
    }
}

/// The gradient at each output is what central differences make of the loss.
#[test]
fn gradients_pass_finite_differences() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let rows = 4;
    let choices = vec![3, 2];
    for (policy, actions) in [
        (
            Policy::Categorical { actions: 5 },
            Actions::Discrete(vec![0, 1, 0, 3]),
        ),
        (
            Policy::MultiCategorical { choices },
            Actions::MultiDiscrete(vec![0, 0, 1, 0, 0, 0, 0, 0]),
        ),
        (
            Policy::Gaussian { dimensions: 2 },
            Actions::Continuous(vec![0.1, -0.5, 0.7, 0.2, 0.0, 1.5, -0.3, 0.4]),
        ),
        (
            Policy::DiagonalGaussian {
                dimensions: 2,
                initial_deviation: 0.6,
            },
            Actions::Continuous(vec![0.1, -0.5, 0.7, 0.2, 0.0, 1.5, -0.3, 0.4]),
        ),
    ] {
        let mut numbers =
            |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
        let heads = policy.heads();
        let heads: Vec<Vec<f32>> = heads
            .iter()
            .map(|head| numbers(rows * head.outputs))
            .collect();
        let derivatives: Vec<Likelihood> = (0..rows)
            .map(|row| Likelihood {
                log_probability: row as f64 - 1.5,
                entropy: 0.3 * row as f64,
            })
            .collect();
        let masks = match policy {
            Policy::Gaussian { .. } | Policy::DiagonalGaussian { .. } => vec![],
            _ => [true, true, false, true, true].repeat(rows),
        };
        let loss = |heads: &[Vec<f32>]| -> f64 {
            let found = policy.likelihoods(statistics(heads, &masks), &actions);
            let products = found.iter().zip(&derivatives);
            products
                .map(|(at, of)| at.log_probability * of.log_probability + at.entropy * of.entropy)
                .sum()
        };
        let of = statistics(&heads, &masks);
        let at = policy.likelihoods(of, &actions);
        let found = policy.gradients(of, &actions, &at, &derivatives);
        crate::nn::testing::assert_output_gradient(&heads, &found, 1e-3, loss);
    }
}
