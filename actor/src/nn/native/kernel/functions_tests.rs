//! tanh and the logistic function against the standard library's in f64.

use pulp::{Arch, Simd, WithSimd};

use super::product_tests::architectures;
use super::{sigmoid, tanh};

struct Map<'a, const TANH: bool>(&'a mut [f32]);

impl<const TANH: bool> WithSimd for Map<'_, TANH> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for value in self.0 {
            *value = if TANH {
                tanh::<S>(*value)
            } else {
                sigmoid::<S>(*value)
            };
        }
    }
}

/// All exponents, and everything near the functions' bends.
fn inputs() -> Vec<f32> {
    let spread = (0..2_000_000_u32).map(|i| f32::from_bits(i.wrapping_mul(2_147)));
    let near = (-200_000..200_000).map(|i| i as f32 * 1e-4);
    spread
        .chain(near)
        .filter(|x| x.is_finite())
        .flat_map(|x| [x, -x])
        .collect()
}

/// The largest error from `lowest` on, in units in the last place of `f32`.
fn error(arch: Arch, tanh: bool, lowest: f32, exact: fn(f64) -> f64) -> f64 {
    let smallest = f64::from(f32::MIN_POSITIVE);
    let inputs: Vec<f32> = inputs().into_iter().filter(|x| *x >= lowest).collect();
    let mut found = inputs.clone();
    match tanh {
        true => arch.dispatch(Map::<true>(&mut found)),
        false => arch.dispatch(Map::<false>(&mut found)),
    }
    let errors = inputs.iter().zip(found).map(|(x, found)| {
        let exact = exact(f64::from(*x));
        let unit = exact.abs().max(smallest).log2().floor().exp2() * f64::from(f32::EPSILON);
        (f64::from(found) - exact).abs() / unit
    });
    errors.fold(0.0, f64::max)
}

#[test]
fn they_are_accurate() {
    for arch in architectures() {
        let found = error(arch, true, f32::MIN, f64::tanh);
        assert!(found <= 3.0, "tanh is {found} units off");
        let logistic = |x: f64| 1.0 / (1.0 + (-x).exp());
        let found = error(arch, false, -87.0, logistic);
        assert!(found <= 3.0, "the logistic function is {found} units off");
    }
}

#[test]
fn they_saturate_and_pass_on_what_is_no_number() {
    for arch in architectures() {
        let mut values = [
            9.1,
            -9.1,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            -0.0,
            0.0,
            f32::MAX,
        ];
        arch.dispatch(Map::<true>(&mut values));
        assert_eq!(values[..4], [1.0, -1.0, 1.0, -1.0]);
        assert!(values[4].is_nan());
        assert_eq!(values[5].to_bits(), (-0.0_f32).to_bits());
        assert_eq!(values[6..], [0.0, 1.0]);
        let mut values = [18.0, f32::INFINITY, f32::NAN, f32::NEG_INFINITY, 0.0];
        arch.dispatch(Map::<false>(&mut values));
        assert_eq!(values[..2], [1.0, 1.0]);
        assert!(values[2].is_nan() && values[3] < 1e-37);
        assert_eq!(values[4], 0.5);
    }
}
