use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use troop_actor::nn::{Arithmetic, peak_multiply_adds};

use super::training::Window;

/// How long the kernels are timed for.
const PEAK: Duration = Duration::from_millis(300);

/// What parts of a training would allow if the rest cost nothing.
#[derive(Debug, Serialize)]
pub(super) struct Limits {
    /// The environments as they were stepped, by as many workers.
    pub(super) environments_alone_env_steps_per_second: f64,
    /// An action chosen and a gradient computed for each env step, as fast as the kernels are.
    pub(super) arithmetic_alone_env_steps_per_second: f64,
    /// Of matrix products that suit them, on as many threads as there are workers.
    kernels_gigaflops: f64,
    network_forward_kiloflop: f64,
    network_gradient_kiloflop: f64,
}

impl Limits {
    /// # Errors
    /// If a thread of the kernels panics.
    pub(super) fn measure(network: Arithmetic, window: &Window) -> anyhow::Result<Self> {
        let workers = (window.workers() as usize).max(1);
        let peak = peak(workers)?;
        let stepping = window.rise("troop_actor_step_seconds_sum") / workers as f64;
        let env_steps = window.rise("troop_learner_env_steps_total");
        let kiloflop = |multiply_adds: u64| 2e-3 * multiply_adds as f64;
        Ok(Self {
            environments_alone_env_steps_per_second: env_steps / stepping,
            arithmetic_alone_env_steps_per_second: peak
                / (network.forward + network.backward) as f64,
            kernels_gigaflops: 2e-9 * peak,
            network_forward_kiloflop: kiloflop(network.forward),
            network_gradient_kiloflop: kiloflop(network.backward),
        })
    }
}

/// Multiply-adds a second of so many threads together.
fn peak(threads: usize) -> anyhow::Result<f64> {
    thread::scope(|scope| {
        let started = (0..threads).map(|_| scope.spawn(|| peak_multiply_adds(PEAK)));
        let started: Vec<_> = started.collect();
        let peaks = started.into_iter().map(|thread| thread.join().ok());
        peaks
            .sum::<Option<f64>>()
            .context("a thread of the kernels panicked")
    })
}
