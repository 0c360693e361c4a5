use std::time::Duration;

use turmoil::{Builder, Sim};

use crate::trace::{Happening, Trace};

/// One step of the simulation.
const TICK: Duration = Duration::from_millis(1);

/// Lines that an error shows of what happened before.
const LINES_OF_AN_ERROR: usize = 25;

/// Simulated hosts, and what was said on them.
pub(crate) struct Stage<'a> {
    pub(crate) sim: Sim<'a>,
    trace: Trace,
    lines: Vec<String>,
}

impl Stage<'_> {
    /// One without hosts, on which a message takes `latency` until that is changed.
    pub(crate) fn new(seed: u64, latency: Duration, trace: Trace) -> Self {
        let sim = Builder::new()
            .rng_seed(seed)
            .tick_duration(TICK)
            .min_message_latency(latency)
            .max_message_latency(latency)
            .simulation_duration(Duration::from_secs(3_600))
            .tcp_capacity(4_096)
            .build();
        Self {
            sim,
            trace,
            lines: Vec::new(),
        }
    }

    /// Lets a millisecond pass; gives what happened in it.
    pub(crate) fn step(&mut self) -> Result<Vec<Happening>, String> {
        let result = self.sim.step().map_err(|error| error.to_string());
        let happenings = self.trace.take();
        let lines = happenings.iter().map(ToString::to_string);
        self.lines.extend(lines);
        result.map(|_| happenings)
    }

    /// What was wrong, with when that was and what went before.
    pub(crate) fn explain(&self, error: &str, scenario: &dyn std::fmt::Debug) -> String {
        let first = self.lines.len().saturating_sub(LINES_OF_AN_ERROR);
        let (at, lines) = (self.sim.elapsed(), self.lines[first..].join("\n"));
        format!("at {at:?}: {error}\n{scenario:?}\n{lines}")
    }

    /// All that was said.
    pub(crate) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}
