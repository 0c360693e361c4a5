//! Properties of what carries vectors and layouts: true of every input, however it is cut.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

mod layouts;
mod vectors;
