//! How far those who add and those who draw may run ahead of each other.

use crate::settings::{RateRefused, SamplesPerInsert};

/// The largest portions that come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Portions {
    /// Of what is added.
    pub append: u64,
    /// Of what is drawn.
    pub draw: u64,
}

/// Decides who may go on: those who add, those who draw. At any time one of them may.
///
/// With `I` added and `D` drawn it keeps `σ·(I − start) − D` within the band, and lets nobody draw before `start` is
/// there. What was reserved counts as added. It counts env steps, and for a queue items, with `σ = 1` and between
/// nothing and a full queue.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    start: u64,
    /// Absent where nobody waits for the others.
    ratio: Option<f64>,
    low: f64,
    high: f64,
    added: u64,
    drawn: u64,
    reserved: u64,
}

impl RateLimiter {
    /// Nobody draws before `start` env steps were added; then the rate is kept, if there is one.
    ///
    /// # Errors
    /// If a portion does not fit into the band: then both sides could wait for each other.
    pub fn sampled(
        start: u64,
        rate: Option<SamplesPerInsert>,
        portions: Portions,
    ) -> Result<Self, RateRefused> {
        let mut limiter = Self {
            start,
            ratio: None,
            low: 0.0,
            high: 0.0,
            added: 0,
            drawn: 0,
            reserved: 0,
        };
        if let Some(rate) = rate {
            check(&rate, portions)?;
            let middle = start as f64 * rate.ratio;
            limiter.ratio = Some(rate.ratio);
            limiter.low = middle - rate.band_env_steps;
            limiter.high = middle + rate.band_env_steps;
        }
        Ok(limiter)
    }

    /// At most `items` wait to be drawn.
    ///
    /// # Errors
    /// If a draw can take more than there is room for beside an append: then both sides could wait for each other.
    pub fn queue(items: u64, portions: Portions) -> Result<Self, RateRefused> {
        let Portions { append, draw } = portions;
        let needed = (append + draw).saturating_sub(1);
        if items < needed {
            return Err(RateRefused::Queue {
                found: items,
                append,
                draw,
                needed,
            });
        }
        Ok(Self {
            start: 0,
            ratio: Some(1.0),
            low: 0.0,
            high: items as f64,
            added: 0,
            drawn: 0,
            reserved: 0,
        })
    }

    /// Whether so much may be added now.
    pub fn may_append(&self, count: u64) -> bool {
        let added = self.added + self.reserved;
        let Some(ratio) = self.ratio else {
            return true;
        };
        added < self.start || (added + count) as f64 * ratio - self.drawn as f64 <= self.high
    }

    /// Whether so much may be drawn now.
    pub fn may_draw(&self, count: u64) -> bool {
        let enough = |ratio| self.added as f64 * ratio - (self.drawn + count) as f64 >= self.low;
        self.added >= self.start && self.ratio.is_none_or(enough)
    }

    /// So much will be added.
    pub fn reserve(&mut self, count: u64) {
        self.reserved += count;
    }

    /// So much of what was reserved comes now, or never.
    pub fn release(&mut self, count: u64) {
        self.reserved = self.reserved.saturating_sub(count);
    }

    /// So much was added.
    pub fn appended(&mut self, count: u64) {
        self.added += count;
    }

    /// So much was drawn, or will never be.
    pub fn drawn(&mut self, count: u64) {
        self.drawn += count;
    }

    /// What was added so far counts as drawn as often as it should have been: nobody waits because of it.
    pub fn rebase(&mut self) {
        let begun = self.added.saturating_sub(self.start) as f64;
        self.drawn = self.ratio.map_or(0, |ratio| (begun * ratio) as u64);
    }
}

/// Whether every portion fits into the band.
fn check(rate: &SamplesPerInsert, portions: Portions) -> Result<(), RateRefused> {
    let SamplesPerInsert {
        ratio,
        band_env_steps: band,
    } = *rate;
    if !(ratio.is_finite() && ratio > 0.0) {
        return Err(RateRefused::Ratio { found: ratio });
    }
    let Portions { append, draw } = portions;
    let needed = (ratio * append as f64).max(draw as f64);
    if band >= needed {
        return Ok(());
    }
    Err(RateRefused::Band {
        found: band,
        ratio,
        append,
        draw,
        needed,
    })
}

#[cfg(test)]
#[path = "rate_limiter_tests.rs"]
mod tests;
