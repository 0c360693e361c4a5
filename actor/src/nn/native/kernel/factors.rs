//! What the elements of a product's factors stand for.

use pulp::Simd;

/// One way to read them.
pub(super) trait Factors: Copy {
    /// `sum + a b`, of as many sums as a vector has.
    fn mul_add<S: Simd>(self, simd: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s;
}

/// Numbers.
#[derive(Clone, Copy)]
pub(super) struct Singles;

impl Factors for Singles {
    #[inline(always)]
    fn mul_add<S: Simd>(self, simd: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        simd.mul_add_e_f32s(a, b, sum)
    }
}

/// Pairs of bfloat16, on machines that know nothing of them: what [`Instruction`](super::bf16::Instruction) computes, to the bit.
#[derive(Clone, Copy)]
pub(super) struct Pairs;

impl Factors for Pairs {
    #[inline(always)]
    fn mul_add<S: Simd>(self, simd: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        let sum = simd.mul_add_e_f32s(first(simd, a), first(simd, b), sum);
        simd.mul_add_e_f32s(second(simd, a), second(simd, b), sum)
    }
}

/// The first number of each pair.
#[inline(always)]
fn first<S: Simd>(simd: S, pairs: S::f32s) -> S::f32s {
    let bits = simd.transmute_u32s_f32s(pairs);
    simd.transmute_f32s_u32s(simd.and_u32s(bits, simd.splat_u32s(0xffff_0000)))
}

/// The second number of each pair.
#[inline(always)]
fn second<S: Simd>(simd: S, pairs: S::f32s) -> S::f32s {
    let bits = simd.transmute_u32s_f32s(pairs);
    simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(16)))
}
