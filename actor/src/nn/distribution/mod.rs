//! Distributions over actions: drawn from, likelihoods, and their derivatives. All of them row by row, in
//! double precision: rows are few beside what a network computes.

mod bounds_penalty;
mod categorical;
mod choice;
mod diagonal;
mod family;
mod gaussian;
mod likelihood;
mod multi_categorical;
mod policy;

pub use bounds_penalty::BoundsPenalty;
pub use categorical::{softmax, softmax_gradient};
pub use choice::{best, largest, mask_of};
pub use family::{Family, Taken};
pub use gaussian::standard_normal;
pub use likelihood::Likelihood;
pub use policy::{Policy, Statistics};
