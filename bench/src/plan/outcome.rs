use serde::Serialize;

use super::simulation::{Cluster, Passage, Simulation};

/// What came of a simulation. Shares are of the time of all shards together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Outcome {
    pub(super) gradients_per_second: f64,
    pub(super) link_in_busy_share: f64,
    pub(super) applying_busy_share: f64,
    pub(super) link_out_busy_share: f64,
    /// Of the slice of each gradient that waited longest.
    pub(super) wait_p50_seconds: f64,
    pub(super) wait_p99_seconds: f64,
    /// Of all slices.
    pub(super) wait_mean_seconds: f64,
    pub(super) staleness_mean_updates: f64,
    /// Of the oldest slice of each gradient.
    pub(super) staleness_p99_updates: f64,
}

/// What is noted of each gradient.
#[derive(Default)]
struct Notes {
    longest_waits: Vec<f64>,
    greatest_stalenesses: Vec<f64>,
    waited: f64,
    staleness: f64,
}

impl Notes {
    fn see(&mut self, slices: &[Passage]) {
        let waits = slices.iter().map(Passage::waited);
        let stalenesses = slices.iter().map(|slice| f64::from(slice.staleness));
        self.waited += waits.clone().sum::<f64>();
        self.staleness += stalenesses.clone().sum::<f64>();
        self.longest_waits.push(waits.fold(0.0, f64::max));
        self.greatest_stalenesses
            .push(stalenesses.fold(0.0, f64::max));
    }
}

impl Outcome {
    /// Simulates.
    pub(super) fn of(cluster: Cluster) -> Self {
        let mut notes = Notes::default();
        let (window, busy) = Simulation::new(cluster).run(|slices| notes.see(slices));
        let seconds = window.end - window.start;
        let share = |busy: f64| busy / (seconds * cluster.shards as f64);
        let gradients = notes.longest_waits.len() as f64;
        let slices = gradients * cluster.shards as f64;
        Self {
            // The window ends as the last is sent, which is not in it.
            gradients_per_second: (gradients - 1.0) / seconds,
            link_in_busy_share: share(busy.receiving),
            applying_busy_share: share(busy.applying),
            link_out_busy_share: share(busy.sending),
            wait_mean_seconds: notes.waited / slices,
            staleness_mean_updates: notes.staleness / slices,
            wait_p50_seconds: quantile(&mut notes.longest_waits, 0.5),
            wait_p99_seconds: quantile(&mut notes.longest_waits, 0.99),
            staleness_p99_updates: quantile(&mut notes.greatest_stalenesses, 0.99),
        }
    }
}

/// The smallest value that a share of `q` of all does not exceed; 0 of none.
fn quantile(values: &mut [f64], q: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (q * values.len() as f64).ceil() as usize;
    values
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}
