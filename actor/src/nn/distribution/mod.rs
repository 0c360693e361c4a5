//! Distributions over actions, each in a file of its own: sampling, log-probabilities, entropies, divergences.
//!
//! A [`Policy`] is in terms of the outputs of a network's heads, a [`Family`] in terms of statistics φ,
//! which a trust region is about.

mod categorical;
mod choice;
mod family;
mod gaussian;
mod likelihood;
mod multi_categorical;
mod policy;
mod sums;

pub use choice::{argmax, masked};
pub use family::Family;
pub use gaussian::standard_normal;
pub use likelihood::Likelihood;
pub use policy::Policy;
