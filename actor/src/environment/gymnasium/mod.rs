//! Any registered Gymnasium environment, in a Python process of its own.
//!
//! Observations, actions, rewards and flags lie in memory that both processes map; one byte each way over the
//! child's standard input and output wakes either side. Python's half, and the protocol, are in
//! `actor/python/troop_gym_host`.

mod arrays;
mod channel;
mod child;
mod error;
mod failure;
mod handshake;
mod host;
mod interpreter;
mod process;
mod shared_memory;
mod stderr_log;

pub use host::GymnasiumHost;
