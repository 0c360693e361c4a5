//! A run's history: what stands in `events.jsonl`, as much of it as a picture needs.

mod line;
mod reader;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

pub use crate::ledger::{Level, ProgressPoint, RunEvent};
pub use line::Line;
pub use reader::HistoryReader;

/// Points that a history keeps at most.
pub const MOST_POINTS: usize = 2_000;

/// Events that a history keeps at most, the newest.
pub const MOST_EVENTS: usize = 200;

/// A history that grows while others look at it.
pub type SharedHistory = Arc<Mutex<History>>;

/// Progress over the whole run in at most [`MOST_POINTS`] points, and the newest events.
///
/// When it is full every second point goes, and from then on only every second one is kept, and so
/// on. The newest point is always there.
#[derive(Clone, Debug)]
pub struct History {
    points: Vec<ProgressPoint>,
    /// One point of this many is kept.
    stride: u64,
    /// Points since the last one that stays; above 0 the newest will be replaced.
    since_kept: u64,
    events: VecDeque<RunEvent>,
    /// Number of the newest event, counted from 1.
    newest_event: u64,
}

impl Default for History {
    fn default() -> Self {
        Self {
            points: Vec::new(),
            stride: 1,
            since_kept: 0,
            events: VecDeque::new(),
            newest_event: 0,
        }
    }
}

impl History {
    /// Adds what one line of the event log says.
    pub fn push(&mut self, line: Line) {
        match line {
            Line::Progress(point) => self.push_point(*point),
            Line::Event(event) => self.push_event(event),
        }
    }

    /// Progress, oldest first; env steps never decrease.
    pub fn points(&self) -> &[ProgressPoint] {
        &self.points
    }

    /// The events after the one with this number, oldest first, each with its own. The first of a
    /// run has the number 1; of older ones only the newest [`MOST_EVENTS`] are there.
    pub fn events_after(&self, number: u64) -> impl Iterator<Item = (u64, &RunEvent)> {
        let oldest = self.newest_event + 1 - self.events.len() as u64;
        (oldest..)
            .zip(&self.events)
            .skip_while(move |(found, _)| *found <= number)
    }

    fn push_point(&mut self, point: ProgressPoint) {
        self.forget_what_was_lost(point.env_steps);
        if self.since_kept > 0 {
            self.points.pop();
        }
        self.since_kept = match self.points.is_empty() {
            true => 0,
            false => (self.since_kept + 1) % self.stride,
        };
        self.points.push(point);
        // Room is left for the newest, and an odd number of points ends with one that stays.
        if self.since_kept == 0 && self.points.len() == MOST_POINTS - 1 {
            self.thin_out();
        }
    }

    /// A run that went on from a checkpoint has lost what came after it.
    fn forget_what_was_lost(&mut self, env_steps: u64) {
        let kept = self
            .points
            .partition_point(|point| point.env_steps <= env_steps);
        if kept < self.points.len() {
            self.points.truncate(kept);
            self.since_kept = 0;
        }
    }

    fn thin_out(&mut self) {
        let mut index = 0;
        self.points.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        self.stride *= 2;
    }

    fn push_event(&mut self, event: RunEvent) {
        self.newest_event += 1;
        self.events.push_back(event);
        if self.events.len() > MOST_EVENTS {
            self.events.pop_front();
        }
    }
}
