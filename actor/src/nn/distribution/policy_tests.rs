use rand::SeedableRng;

use super::*;

#[test]
fn samples_follow_the_distribution() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let rows = 20_000;
    let logits = Tensor::from_slice(&[0.0_f32, 1.0, 2.0])
        .view([1, 3])
        .expand([rows, 3], false);
    let Actions::Discrete(actions) =
        (Policy::Categorical { actions: 3 }).sample(&[logits], &mut rng)
    else {
        panic!("discrete")
    };
    for (action, expected) in [0.090_031, 0.244_728, 0.665_241].iter().enumerate() {
        let found = actions.iter().filter(|a| **a == action as i64).count() as f64 / rows as f64;
        assert!(
            (found - expected).abs() < 0.015,
            "action {action}: {found} for {expected}"
        );
    }
    let mean = Tensor::from_slice(&[1.0_f32, -1.0])
        .view([1, 2])
        .expand([rows, 2], false);
    let raw = Tensor::from_slice(&[0.0_f32])
        .view([1, 1])
        .expand([rows, 1], false);
    let Actions::Continuous(actions) =
        (Policy::Gaussian { dimensions: 2 }).sample(&[mean, raw], &mut rng)
    else {
        panic!("continuous")
    };
    let first: Vec<f64> = actions.iter().step_by(2).map(|a| f64::from(*a)).collect();
    let mean = first.iter().sum::<f64>() / rows as f64;
    let variance = first.iter().map(|a| (a - mean).powi(2)).sum::<f64>() / rows as f64;
    assert!(
        (mean - 1.0).abs() < 0.03 && (variance - 2.0_f64.ln()).abs() < 0.03,
        "{mean} {variance}"
    );
}

#[test]
fn several_choices_are_the_product_of_their_parts() {
    let logits = Tensor::from_slice(&[0.0_f64, 1.0, 2.0, -1.0, 0.5]).view([1, 5]);
    let policy = Policy::MultiCategorical {
        choices: vec![3, 2],
    };
    let outputs = [logits.shallow_clone()];
    let both = policy.likelihood(&outputs, &Actions::MultiDiscrete(vec![2, 0]));
    let one = |start, len, action: i64| {
        categorical::likelihood(
            &logits.narrow(1, start, len),
            &Tensor::from_slice(&[action]),
        )
    };
    let (first, second) = (one(0, 3, 2), one(3, 2, 0));
    let same = |a: Tensor, b: Tensor| assert!((a - b).abs().double_value(&[0]) < 1e-12);
    same(
        both.log_probability,
        first.log_probability + second.log_probability,
    );
    same(both.entropy, first.entropy + second.entropy);
    assert_eq!(policy.mode(&outputs), Actions::MultiDiscrete(vec![2, 1]));
    let statistics = policy.statistics(&outputs);
    same(statistics.select(1, 2), one(0, 3, 2).log_probability);
    same(statistics.select(1, 3), one(3, 2, 0).log_probability);
}

#[test]
fn several_choices_are_drawn_independently() {
    let rows = 20_000;
    let logits = Tensor::from_slice(&[0.0_f32, 1.0, 2.0, 0.0, 1.0]).view([1, 5]);
    let policy = Policy::MultiCategorical {
        choices: vec![3, 2],
    };
    let outputs = [logits.expand([rows, 5], false)];
    let Actions::MultiDiscrete(drawn) = policy.sample(&outputs, &mut ChaCha8Rng::seed_from_u64(1))
    else {
        panic!("several choices")
    };
    assert_eq!(drawn.len(), 2 * rows as usize);
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
    let logits = Tensor::from_slice(&[0.0_f64, 1.0, 9.0])
        .view([1, 3])
        .set_requires_grad(true);
    let masks = Tensor::from_slice(&[true, true, false]).view([1, 3]);
    let outputs = policy.shut(vec![logits.shallow_clone()], Some(&masks));
    let likelihood = policy.likelihood(&outputs, &Actions::Discrete(vec![1]));
    // Of two logits 0 and 1.
    assert!((likelihood.log_probability.double_value(&[0]) + 0.313_262).abs() < 1e-6);
    assert!((likelihood.entropy.double_value(&[0]) - 0.582_203).abs() < 1e-6);
    let sum = (likelihood.log_probability + likelihood.entropy).sum(Kind::Double);
    let gradient = Tensor::run_backward(&[&sum], &[&logits], false, false).remove(0);
    assert_eq!(gradient.double_value(&[0, 2]), 0.0);
    assert!(gradient.double_value(&[0, 0]).is_finite());
    assert_eq!(policy.mode(&outputs), Actions::Discrete(vec![1]));
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..1000 {
        assert_ne!(
            policy.sample(&outputs, &mut rng),
            Actions::Discrete(vec![2])
        );
    }
}
