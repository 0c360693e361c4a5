//! The arithmetic: matrix products and what is done element by element, on one thread, compiled for
//! each instruction set by `pulp` and chosen at run time.
//!
//! Every number that comes out depends on its own inputs only, not on how many rows are computed
//! together nor on the width of the machine's vectors: a sum is taken term by term in the order of its
//! index, by fused multiply-adds. So results are the same bits on every machine that has those. One
//! without (x86-64 before 2013) multiplies and adds in two roundings; its results differ in the last
//! bits.
//!
//! A convolution's factors may be pairs of bfloat16 instead of numbers, see [`pairs`].

#[cfg(target_arch = "x86_64")]
mod bf16;
mod elements;
mod elementwise;
mod factors;
mod functions;
mod left;
mod packing;
mod pairs;
mod product;
mod suited;
mod tile;

pub(in crate::nn) use elements::Elements;
pub(in crate::nn) use elementwise::{
    Activate, Exponentiate, add_rows, derivative, sum_rows, widen,
};
pub(in crate::nn) use functions::{mul_add, sigmoid, tanh};
pub(in crate::nn) use left::{Columns, Patches, Rows};
pub(in crate::nn) use packing::{pack_columns, packed_len, transpose};
pub(in crate::nn) use product::{Placement, Product, Right, Start, multiply};

#[cfg(test)]
mod functions_tests;
#[cfg(test)]
mod pairs_tests;
#[cfg(test)]
pub(super) mod product_tests;
