//! The efficient trust region (Wang et al. 2017, §3.3).

/// Replaces a step `g` `[K]` by the nearest one `z` that moves the policy away from the average one by at most
/// `δ` to first order (Wang et al. 2017, eq. 12), and gives whether that is another:
///
/// ```text
/// min ½‖g − z‖²  subject to  κᵀz ≤ δ:    z = g − max{0, (κᵀg − δ) / ‖κ‖²} κ
/// ```
///
/// `κ = ∇_φ KL[f(·|φ_avg) ‖ f(·|φ)]`. If κ = 0, nothing holds the step back: `z = g`.
pub(super) fn project(g: &mut [f64], kappa: &[f64], delta: f64) -> bool {
    assert_eq!(g.len(), kappa.len(), "g and κ, each [K]");
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let excess = (dot(kappa, g) - delta).max(0.0);
    // κ = 0 has no excess, for δ ≥ 0.
    let scale = excess
        / Some(dot(kappa, kappa))
            .filter(|squared| *squared > 0.0)
            .unwrap_or(1.0);
    let mut is_held = false;
    for (g, kappa) in g.iter_mut().zip(kappa) {
        let z = *g - scale * kappa;
        is_held |= z != *g;
        *g = z;
    }
    is_held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::testing::seeded;
    use rand::RngExt;

    fn projected(g: &[f64], kappa: &[f64], delta: f64) -> Vec<f64> {
        let mut z = g.to_vec();
        let is_held = project(&mut z, kappa, delta);
        assert_eq!(is_held, z != g);
        z
    }

    /// g = (3, 1), δ = 1. κ = (1, 0): κᵀg = 3, so 2 too much, z = (1, 1). κ = (2, 0): κᵀg = 6, (6 − 1)/4 · 2 = 2.5.
    /// κ = (0, 1): κᵀg = δ just holds. κ = (−1, 0) and κ = 0 hold nothing back.
    #[test]
    fn the_worked_example() {
        for (kappa, expected) in [
            ([1.0, 0.0], [1.0, 1.0]),
            ([2.0, 0.0], [0.5, 1.0]),
            ([0.0, 1.0], [3.0, 1.0]),
            ([-1.0, 0.0], [3.0, 1.0]),
            ([0.0, 0.0], [3.0, 1.0]),
        ] {
            assert_eq!(projected(&[3.0, 1.0], &kappa, 1.0), expected);
        }
    }

    /// Obviously right and slow: goes from `g` along −κ, by bisection, until the constraint holds.
    fn search(g: &[f64], kappa: &[f64], delta: f64) -> Vec<f64> {
        let at = |s: f64| -> Vec<f64> { g.iter().zip(kappa).map(|(g, k)| g - s * k).collect() };
        let holds = |z: &[f64]| kappa.iter().zip(z).map(|(k, z)| k * z).sum::<f64>() <= delta;
        if holds(&at(0.0)) {
            return at(0.0);
        }
        let (mut low, mut high) = (0.0, 1.0);
        while !holds(&at(high)) {
            high *= 2.0;
        }
        for _ in 0..200 {
            let middle = (low + high) / 2.0;
            if holds(&at(middle)) {
                high = middle;
            } else {
                low = middle;
            }
        }
        at(high)
    }

    #[test]
    fn it_is_the_nearest_step_that_the_constraint_allows() {
        let mut rng = seeded(1);
        let (mut held, mut free) = (0, 0);
        for _ in 0..500 {
            let width = rng.random_range(1..6);
            let mut numbers =
                || -> Vec<f64> { (0..width).map(|_| rng.random_range(-2.0..2.0)).collect() };
            let (g, kappa) = (numbers(), numbers());
            let delta = rng.random_range(0.0..2.0);
            let fast = projected(&g, &kappa, delta);
            let slow = search(&g, &kappa, delta);
            if fast == g {
                free += 1;
            } else {
                held += 1;
            }
            for (fast, slow) in fast.iter().zip(&slow) {
                assert!((fast - slow).abs() < 1e-9, "{fast} for {slow}");
            }
        }
        assert!(held > 50 && free > 50, "{held}, {free}");
    }
}
