use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use troop_common::wire::Elements;

use super::*;
use crate::optimizer::architectures::architectures;

const RULES: [Rule; 5] = [
    Rule::Sgd,
    Rule::Momentum {
        momentum: 0.9,
        gain: 1.0,
    },
    Rule::Rmsprop {
        decay: 0.99,
        epsilon: 0.1,
    },
    Rule::Adagrad { epsilon: 0.5 },
    Rule::Adam {
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 0.5,
    },
];

/// Parameters, and a fresh state.
fn vectors(rule: Rule, parameters: &[f32]) -> Vectors {
    Vectors {
        state: vec![vec![0.0; parameters.len()]; rule.state_names().len()],
        parameters: parameters.to_vec(),
    }
}

/// A step on all parameters.
fn take(rule: Rule, vectors: &mut Vectors, gradient: &[f32], step: &Step<'_>) {
    take_on(Arch::new(), rule, vectors, gradient, step);
}

fn take_on(arch: Arch, rule: Rule, vectors: &mut Vectors, gradient: &[f32], step: &Step<'_>) {
    let gradient = Elements::from(gradient.to_vec());
    for (start, run) in gradient.runs(0..gradient.len()) {
        rule.step_on(arch, vectors, start..start + run.len(), run, step);
    }
}

fn step(rate: f32, number: u64) -> Step<'static> {
    Step {
        scale: 1.0,
        rate,
        number,
        compensation: None,
    }
}

/// Steps at a rate of 0.1 from `theta` along one gradient after the other; worked out by hand.
fn check(rule: Rule, theta: f32, gradients: &[f32], expected: &[f32]) {
    let mut vectors = vectors(rule, &[theta]);
    for (k, (gradient, expected)) in gradients.iter().zip(expected).enumerate() {
        take(rule, &mut vectors, &[*gradient], &step(0.1, k as u64 + 1));
        let theta = vectors.parameters[0];
        assert!(
            (theta - expected).abs() < 1e-6,
            "{rule:?}: {theta}, expected {expected}"
        );
    }
}

#[test]
fn every_rule_takes_the_steps_of_its_equation() {
    let [sgd, momentum, rmsprop, adagrad, adam] = RULES;
    check(sgd, 1.0, &[2.0, -4.0], &[0.8, 1.2]);
    // v: 2, 3.8
    check(momentum, 1.0, &[2.0, 2.0], &[0.8, 0.42]);
    let average = Rule::new(&OptimizerSettings {
        name: Optimizer::Momentum,
        momentum_form: MomentumForm::Average,
        ..OptimizerSettings::default()
    });
    // v: 0.2, 0.38
    check(average, 1.0, &[2.0, 2.0], &[0.98, 0.942]);
    // g: 0.04; √(0.04 + 0.1)
    check(rmsprop, 0.0, &[2.0], &[-0.534_522_5]);
    // G: 9, 25
    check(
        adagrad,
        0.0,
        &[3.0, 4.0],
        &[-0.3 / 3.5, -0.3 / 3.5 - 0.4 / 5.5],
    );
    // m: 0.2, 0.08; v: 0.004, 0.004996; corrected by 0.1, 0.19 and 0.001, 0.001999
    check(adam, 0.0, &[2.0, -1.0], &[-0.08, -0.100_234_14]);
}

#[test]
fn the_scale_comes_before_everything() {
    for rule in RULES {
        let [mut scaled, mut plain] = [(); 2].map(|()| vectors(rule, &[1.0]));
        let half = Step {
            scale: 0.5,
            ..step(0.1, 1)
        };
        take(rule, &mut scaled, &[4.0], &half);
        take(rule, &mut plain, &[2.0], &step(0.1, 1));
        assert_eq!(scaled, plain, "{rule:?}");
    }
}

/// The equations in `f64`, one parameter at a time, with nothing worked out beforehand.
fn slow_step(rule: Rule, theta: &mut f64, state: &mut [f64], d: f64, rate: f64, t: i32) {
    match rule {
        Rule::Sgd => *theta -= rate * d,
        Rule::Momentum { momentum, gain } => {
            state[0] = momentum * state[0] + gain * d;
            *theta -= rate * state[0];
        }
        Rule::Rmsprop { decay, epsilon } => {
            state[0] = decay * state[0] + (1.0 - decay) * d.powi(2);
            *theta -= rate * d / (state[0] + epsilon).sqrt();
        }
        Rule::Adagrad { epsilon } => {
            state[0] += d.powi(2);
            *theta -= rate * d / (state[0].sqrt() + epsilon);
        }
        Rule::Adam {
            beta1,
            beta2,
            epsilon,
        } => {
            state[0] = beta1 * state[0] + (1.0 - beta1) * d;
            state[1] = beta2 * state[1] + (1.0 - beta2) * d.powi(2);
            let m_hat = state[0] / (1.0 - beta1.powi(t));
            let v_hat = state[1] / (1.0 - beta2.powi(t));
            *theta -= rate * m_hat / (v_hat.sqrt() + epsilon);
        }
    }
}

fn random(rng: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.random_range(-2.0..2.0)).collect()
}

#[test]
fn fast_steps_follow_slow_ones() {
    for (seed, rule) in (0..20).flat_map(|seed| RULES.map(|rule| (seed, rule))) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let len = rng.random_range(1..100);
        let theta = random(&mut rng, len);
        let mut fast = vectors(rule, &theta);
        let mut slow: Vec<f64> = theta.iter().map(|theta| f64::from(*theta)).collect();
        let mut slow_state = vec![vec![0.0; rule.state_names().len()]; len];
        for t in 1..=30 {
            let (gradient, computed_on) = (random(&mut rng, len), random(&mut rng, len));
            let lambda = rng.random_range(0.0..0.1);
            let step = Step {
                scale: 0.7,
                compensation: (t % 2 == 0).then_some(Compensation {
                    lambda,
                    decay: None,
                    computed_on: &computed_on,
                }),
                ..step(0.01, t)
            };
            take(rule, &mut fast, &gradient, &step);
            for i in 0..len {
                let d = 0.7 * f64::from(gradient[i]);
                let moved = slow[i] - f64::from(computed_on[i]);
                let lambda = if t % 2 == 0 { f64::from(lambda) } else { 0.0 };
                let d = d + lambda * d * d * moved;
                slow_step(rule, &mut slow[i], &mut slow_state[i], d, 0.01, t as i32);
            }
        }
        for (fast, slow) in fast.parameters.iter().zip(&slow) {
            let error = (f64::from(*fast) - slow).abs();
            assert!(
                error < 1e-5,
                "seed {seed}, {rule:?}: {fast}, expected {slow}"
            );
        }
    }
}

#[test]
fn compensation_follows_its_formula_and_vanishes_with_lambda() {
    let compensated = |rule: Rule, lambda| {
        let mut vectors = vectors(rule, &[3.0]);
        let compensation = Some(Compensation {
            lambda,
            decay: None,
            computed_on: &[1.0],
        });
        let step = Step {
            scale: 0.5,
            compensation,
            ..step(0.1, 1)
        };
        take(rule, &mut vectors, &[4.0], &step);
        vectors
    };
    // Scaled to 2, then 2 + 0.25·2²·(3 − 1) = 4.
    assert_eq!(compensated(Rule::Sgd, 0.25).parameters, [2.6]);
    for rule in RULES {
        let mut plain = vectors(rule, &[3.0]);
        take(rule, &mut plain, &[2.0], &step(0.1, 1));
        assert_eq!(compensated(rule, 0.0), plain, "{rule:?}");
    }
}

/// DC-ASGD-a against its formula in `f64`: λ = λ₀/√(m + ε), m ← βm + (1−β)Δ².
#[test]
fn adaptive_compensation_follows_a_slow_one() {
    for (seed, rule) in (0..20).flat_map(|seed| RULES.map(|rule| (seed, rule))) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (len, decay) = (rng.random_range(1..100), rng.random_range(0.0..0.99_f32));
        // Small gradients, as those of a clipped mean loss are.
        let magnitude = 10.0_f32.powi(rng.random_range(-3..1));
        let theta = random(&mut rng, len);
        let mut fast = vectors(rule, &theta);
        fast.state.push(vec![0.0; len]);
        let mut slow: Vec<f64> = theta.iter().map(|theta| f64::from(*theta)).collect();
        let mut slow_state = vec![vec![0.0; rule.state_names().len()]; len];
        let mut squares = vec![0.0; len];
        for t in 1..=30 {
            let gradient: Vec<f32> = random(&mut rng, len)
                .iter()
                .map(|d| d * magnitude)
                .collect();
            let computed_on: Vec<f32> = slow.iter().map(|theta| *theta as f32 + 0.1).collect();
            let step = Step {
                compensation: Some(Compensation {
                    lambda: 2.0,
                    decay: Some(decay),
                    computed_on: &computed_on,
                }),
                ..step(0.01, t)
            };
            take(rule, &mut fast, &gradient, &step);
            for i in 0..len {
                let (d, decay) = (f64::from(gradient[i]), f64::from(decay));
                squares[i] = decay * squares[i] + (1.0 - decay) * d * d;
                let lambda = 2.0 / f64::sqrt(squares[i] + 1e-7);
                let d = d + lambda * d * d * (slow[i] - f64::from(computed_on[i]));
                slow_step(rule, &mut slow[i], &mut slow_state[i], d, 0.01, t as i32);
            }
        }
        for (fast, slow) in fast.parameters.iter().zip(&slow) {
            let error = (f64::from(*fast) - slow).abs();
            assert!(
                error < 1e-4,
                "seed {seed}, {rule:?}: {fast}, expected {slow}"
            );
        }
        let found = fast.state.last().unwrap().iter().zip(&squares);
        for (fast, slow) in found {
            let error = (f64::from(*fast) - slow).abs();
            assert!(error <= 1e-5 * slow, "seed {seed}: {fast}, expected {slow}");
        }
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    for seed in 0..40 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let len = rng.random_range(0..150);
        let (theta, computed_on) = (random(&mut rng, len), random(&mut rng, len));
        let magnitude = 10.0_f32.powi(rng.random_range(-25..15));
        let gradient: Vec<f32> = random(&mut rng, len)
            .iter()
            .map(|d| d * magnitude)
            .collect();
        let compensation = rng.random_bool(0.5).then_some(Compensation {
            lambda: 0.04,
            decay: rng.random_bool(0.5).then_some(0.95),
            computed_on: &computed_on,
        });
        let adaptive = compensation.is_some_and(|compensation| compensation.decay.is_some());
        for rule in RULES {
            let mut results = architectures().map(|arch| {
                let mut vectors = vectors(rule, &theta);
                if adaptive {
                    vectors.state.push(vec![0.0; len]);
                }
                for number in 1..5 {
                    let step = Step {
                        compensation,
                        ..step(7e-4, number)
                    };
                    take_on(arch, rule, &mut vectors, &gradient, &step);
                }
                vectors.state.push(vectors.parameters);
                let bits = vectors.state.concat().into_iter().map(f32::to_bits);
                bits.collect::<Vec<u32>>()
            });
            let first = results.next();
            assert!(
                results.all(|one| Some(one) == first),
                "seed {seed}, {rule:?}"
            );
        }
    }
}

#[test]
fn state_without_gradients_fades_to_zero_and_is_never_subnormal() {
    for rule in [RULES[1], RULES[2], RULES[4]] {
        let mut vectors = vectors(rule, &[1.0]);
        take(rule, &mut vectors, &[1.0], &step(0.1, 1));
        for number in 2..100_000 {
            take(rule, &mut vectors, &[0.0], &step(0.1, number));
            let state = &vectors.state;
            assert!(
                !state.iter().any(|vector| vector[0].is_subnormal()),
                "{rule:?}"
            );
        }
        let state = vectors.state;
        assert!(
            state.iter().all(|vector| vector[0] == 0.0),
            "{rule:?}: {state:?}"
        );
    }
}
