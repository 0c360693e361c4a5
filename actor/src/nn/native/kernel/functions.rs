//! Exponentials, tanh and the logistic function without branches, so that loops over them are vectorised.

use pulp::Simd;

/// `a b + c`: fused if this machine's instructions can do it.
#[inline(always)]
pub(in crate::nn) fn mul_add<S: Simd>(a: f32, b: f32, c: f32) -> f32 {
    if S::IS_SCALAR {
        a * b + c
    } else {
        a.mul_add(b, c)
    }
}

/// The larger magnitudes that [`exponential`] takes; `2^n` is still a normal number there.
const LARGEST: f32 = 87.0;

/// For `x` in −87 to 0: `2^n` and `e^r − 1` with `e^x = 2^n e^r` and `|r| ≤ ln 2 / 2`.
#[inline(always)]
fn exponential<S: Simd>(x: f32) -> (f32, f32) {
    // Adding 1.5 · 2^23 rounds to the nearest whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    // ln 2 in two parts; n times the first is exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    let rounded = mul_add::<S>(x, std::f32::consts::LOG2_E, ROUND);
    let n = rounded - ROUND;
    let r = mul_add::<S>(n, -LN_2[1], mul_add::<S>(n, -LN_2[0], x));
    // (e^r − 1 − r) / r², minimax on ±ln 2 / 2 (Cephes, expf).
    const SERIES: [f32; 6] = [
        1.987_569_1e-4,
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_5e-2,
        1.666_666_5e-1,
        5e-1,
    ];
    let mut series = SERIES[0];
    for coefficient in &SERIES[1..] {
        series = mul_add::<S>(series, r, *coefficient);
    }
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    (power, mul_add::<S>(series * r, r, r))
}

/// At most `limit`; what is not a number stays so.
#[inline(always)]
fn at_most(x: f32, limit: f32) -> f32 {
    if x > limit { limit } else { x }
}

/// `e^x` of what is at most 0; what is below −87 counts as that.
#[inline(always)]
pub(in crate::nn) fn exp<S: Simd>(x: f32) -> f32 {
    let (power, rest) = exponential::<S>(-at_most(-x, LARGEST));
    mul_add::<S>(power, rest, power)
}

/// tanh, within 3 units in the last place; ±1 exactly from 9.02 on.
#[inline(always)]
pub(in crate::nn) fn tanh<S: Simd>(x: f32) -> f32 {
    let (power, rest) = exponential::<S>(-at_most(2.0 * x.abs(), LARGEST));
    // e^(−2|x|) − 1
    let minus = mul_add::<S>(power, rest, power - 1.0);
    (-minus / (2.0 + minus)).copysign(x)
}

/// `1 / (1 + e^−x)`, within 3 units in the last place; what is below e^−87 counts as that.
#[inline(always)]
pub(in crate::nn) fn sigmoid<S: Simd>(x: f32) -> f32 {
    let (power, rest) = exponential::<S>(-at_most(x.abs(), LARGEST));
    let e = mul_add::<S>(power, rest, power);
    (if x < 0.0 { e } else { 1.0 }) / (1.0 + e)
}
