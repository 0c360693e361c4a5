//! What `troop bench apply` has measured, as a table or as JSON.

use std::fmt;

use serde::Serialize;

/// Everything that one run has measured. All numbers are medians over its rounds.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) parameters: usize,
    pub(super) stripes: usize,
    pub(super) rounds: usize,
    /// Bytes read and written, in 10⁹ a second.
    pub(super) memcpy_gb_per_second: f64,
    pub(super) norm: Speed,
    pub(super) optimizers: Vec<OptimizerReport>,
}

/// One optimiser beside the loop that only moves its bytes.
#[derive(Debug, Serialize)]
pub(super) struct OptimizerReport {
    pub(super) name: &'static str,
    pub(super) kernel: Speed,
    pub(super) plain_loop: Speed,
    /// The kernel's time over the plain loop's.
    pub(super) ratio: f64,
    pub(super) concurrent: Vec<Concurrent>,
}

/// Time and bandwidth of something that goes through memory once.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    pub(super) microseconds: f64,
    /// Bytes read and written, in 10⁹ a second.
    pub(super) gb_per_second: f64,
}

/// Several appliers at once on the same parameters.
#[derive(Debug, Serialize)]
pub(super) struct Concurrent {
    pub(super) appliers: usize,
    pub(super) steps_per_second: f64,
    /// Throughput over that of one applier.
    pub(super) speedup: f64,
    /// The same of as many plain loops, each in memory of its own: what the machine allows.
    pub(super) plain_loop_speedup: f64,
}

impl Speed {
    pub(super) fn new(seconds: f64, bytes: usize) -> Self {
        Self {
            microseconds: seconds * 1e6,
            gb_per_second: bytes as f64 / seconds / 1e9,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} parameters, at most {} stripes, medians of {} rounds",
            self.parameters, self.stripes, self.rounds
        )?;
        writeln!(f, "memcpy       {:>38.1} GB/s", self.memcpy_gb_per_second)?;
        writeln!(f, "norm         {}\n", self.norm)?;
        writeln!(
            f,
            "OPTIMIZER              KERNEL                         PLAIN LOOP                RATIO  \
             STEPS/S WITH 1, 2, … APPLIERS (PLAIN LOOPS)"
        )?;
        self.optimizers
            .iter()
            .try_for_each(|one| writeln!(f, "{one}"))
    }
}

impl fmt::Display for OptimizerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name,
            kernel,
            plain_loop,
            ratio,
            ..
        } = self;
        write!(f, "{name:<10}  {kernel}  {plain_loop}  {ratio:>6.2} ")?;
        self.concurrent
            .iter()
            .try_for_each(|one| write!(f, "  {one}"))
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>10.1} µs {:>6.1} GB/s",
            self.microseconds, self.gb_per_second
        )
    }
}

impl fmt::Display for Concurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            steps_per_second,
            speedup,
            plain_loop_speedup,
            ..
        } = self;
        write!(
            f,
            "{steps_per_second:.0} {speedup:.2}× ({plain_loop_speedup:.2}×)"
        )
    }
}
