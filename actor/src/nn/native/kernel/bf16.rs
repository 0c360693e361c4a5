//! The instruction that multiplies pairs of bfloat16.

#![allow(unsafe_code)]

use std::arch::x86_64::{__m512, __m512bh, _mm512_dpbf16_ps};
use std::mem::transmute;

use pulp::x86::V4;
use pulp::{NullaryFnOnce, Simd};

use super::factors::Factors;

/// `VDPBF16PS`. There is one only where the machine has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instruction(V4);

impl Instruction {
    /// That of a machine that has these instructions, if it has this one too.
    pub(super) fn of(simd: V4) -> Option<Self> {
        is_x86_feature_detected!("avx512bf16").then_some(Self(simd))
    }

    /// The instructions beside it.
    pub(super) fn simd(self) -> V4 {
        self.0
    }

    /// Calls what is compiled for all of them, if it is inlined.
    pub(super) fn vectorize<F: NullaryFnOnce>(self, operation: F) -> F::Output {
        // SAFETY: the machine has `V4`'s instructions, and this one.
        unsafe { compiled(operation) }
    }
}

#[target_feature(
    enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512bf16,bmi1,bmi2,fma,lzcnt,popcnt"
)]
fn compiled<F: NullaryFnOnce>(operation: F) -> F::Output {
    operation.call()
}

impl Factors for Instruction {
    #[inline(always)]
    fn mul_add<S: Simd>(self, _: S, a: S::f32s, b: S::f32s, sum: S::f32s) -> S::f32s {
        let [a, b, sum] = [a, b, sum].map(pulp::cast::<S::f32s, __m512>);
        // SAFETY: the machine has the instruction, and the two types are names for the same 512 bits.
        let sum = unsafe {
            let [a, b] = [a, b].map(|pairs| transmute::<__m512, __m512bh>(pairs));
            _mm512_dpbf16_ps(sum, a, b)
        };
        pulp::cast(sum)
    }
}
