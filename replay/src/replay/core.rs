//! All that a replay decides, behind its lock.

use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use troop_common::experience::Segment;

use super::appended::Appended;
use super::engine::Engine;
use super::in_place::InPlace;
use super::replay_counts::ReplayCounts;
use super::replay_error::ReplayError;
use super::segment_refused;
use super::writer_id::WriterId;
use super::writers::Writers;
use crate::limiter::{Portions, RateLimiter};
use crate::settings::{ReplayRefused, ReplaySettings, TableKind};

/// A replay without its lock, and without waits.
#[derive(Debug)]
pub(crate) struct Core {
    settings: ReplaySettings,
    engine: Engine,
    writers: Writers,
    limiter: RateLimiter,
    counts: ReplayCounts,
    /// Whether observations come with masks, once there were any.
    masks: Option<bool>,
    version: Option<u64>,
    closed: bool,
}

impl Core {
    pub(crate) fn new(settings: ReplaySettings) -> Result<Self, ReplayRefused> {
        settings.check()?;
        Ok(Self {
            engine: Engine::new(&settings)?,
            writers: Writers::new(settings.most_environments),
            limiter: limiter(&settings)?,
            counts: ReplayCounts::default(),
            masks: None,
            version: None,
            closed: false,
            settings,
        })
    }

    pub(crate) fn join(&mut self, environments: usize) -> Result<WriterId, ReplayError> {
        self.check_open()?;
        let most = self.settings.most_environments_per_writer;
        check_portion("environments of a writer", environments, most)?;
        self.writers.join(environments)
    }

    pub(crate) fn leave(&mut self, id: WriterId) {
        if let Some(writer) = self.writers.leave(id) {
            self.limiter.release(writer.reserved);
            self.cut_off(&writer.streams);
        }
    }

    pub(crate) fn interrupt(&mut self, id: WriterId) -> Result<(), ReplayError> {
        let streams = self.writers.get(id)?.streams.clone();
        self.cut_off(&streams);
        Ok(())
    }

    pub(crate) fn append(
        &mut self,
        id: WriterId,
        sequence: u64,
        segment: &Segment,
    ) -> Result<Appended, ReplayError> {
        self.check_open()?;
        let writer = self.writers.get(id)?;
        let last = writer.sequence;
        if last.is_some_and(|last| sequence <= last) {
            self.counts.segments_repeated += 1;
            return Ok(Appended::Repeated);
        }
        let streams = writer.streams.clone();
        let settings = &self.settings;
        segment_refused::check(segment, streams.len(), self.masks, settings)?;
        let gap = last.is_some_and(|last| sequence > last + 1);
        self.engine.check_states(&streams, segment, gap, settings)?;
        if gap {
            self.counts.gaps += 1;
            self.cut_off(&streams);
        }
        let writer = self.writers.get(id)?;
        writer.sequence = Some(sequence);
        self.limiter.release(std::mem::take(&mut writer.reserved));
        self.masks = Some(!segment.observations.masks().is_empty());
        let items = self.add(&streams, segment);
        Ok(Appended::Added { items, gap })
    }

    pub(crate) fn draw<T>(
        &mut self,
        count: usize,
        importance_exponent: f64,
        rng: &mut ChaCha8Rng,
        read: impl FnOnce(InPlace<'_>) -> T,
    ) -> Result<Option<T>, ReplayError> {
        if !self.is_drawable(count)? {
            return Ok(None);
        }
        let how = (count, importance_exponent, self.oldest_version());
        let before = self.engine.evicted().too_old;
        let (now, mut env_steps, mut ages) = (self.version, 0, 0_u64);
        let drawn = self.engine.draw(how, rng, |drawn| {
            env_steps = drawn.env_steps() as u64;
            let age = |then: &u64| now.map_or(0, |now| now.saturating_sub(*then));
            // Versions from outside may be any number.
            ages = drawn.versions.iter().map(age).fold(0, u64::saturating_add);
            read(drawn)
        });
        let too_old = self.engine.evicted().too_old - before;
        if self.is_queue() {
            self.limiter.drawn(too_old);
        }
        let Some(drawn) = drawn else {
            return Ok(None);
        };
        self.limiter.drawn(match self.is_queue() {
            true => count as u64,
            false => env_steps,
        });
        self.counts.draws += 1;
        self.counts.items_drawn += count as u64;
        self.counts.env_steps_drawn += env_steps;
        let sum = &mut self.counts.drawn_age_versions;
        *sum = sum.saturating_add(ages);
        Ok(Some(drawn))
    }

    /// What was acted with versions before it is too old to be drawn; 0 if nothing is.
    fn oldest_version(&self) -> u64 {
        match (self.settings.max_age_versions, self.version) {
            (0, _) | (_, None) => 0,
            (most, Some(now)) => now.saturating_sub(most),
        }
    }

    pub(crate) fn reprioritise(&mut self, keys: &[u64], td_errors: &[f32]) {
        let noted = self.engine.reprioritise(keys, td_errors);
        self.counts.priorities += keys.len() as u64;
        self.counts.priorities_of_gone_items += noted.gone;
        self.counts.priorities_not_finite += noted.not_finite;
    }

    pub(crate) fn begin_here(&mut self) {
        self.limiter.rebase();
        self.counts = ReplayCounts::default();
    }

    pub(crate) fn tell_version(&mut self, version: u64) {
        self.version = Some(version);
    }

    /// Whether a writer may add so many env steps, which are then kept free for it.
    pub(crate) fn reserve(&mut self, id: WriterId, env_steps: usize) -> Result<bool, ReplayError> {
        self.check_open()?;
        let most = self.settings.most_env_steps_per_append;
        check_portion("env steps at once", env_steps, most)?;
        let writer = self.writers.get(id)?;
        let streams = &writer.streams;
        let queue = matches!(self.settings.table, TableKind::Fifo { .. });
        let portion = match queue {
            true => {
                let each = env_steps.div_ceil(streams.len());
                let items = &self.settings.items;
                self.engine.most_complete(streams, each, items) as u64
            }
            false => env_steps as u64,
        };
        let more = portion.saturating_sub(writer.reserved);
        // Nothing is held back while there is nothing to draw: it could not be what makes room.
        let nothing_to_draw = !queue && !self.engine.has(1);
        let may = nothing_to_draw || self.limiter.may_append(more);
        if may {
            writer.reserved += more;
            self.limiter.reserve(more);
        }
        Ok(may)
    }

    pub(crate) fn is_drawable(&self, count: usize) -> Result<bool, ReplayError> {
        check_portion("items at once", count, self.settings.most_items_per_draw)?;
        let portion = match self.is_queue() {
            true => count,
            false => count * self.settings.items.env_steps(),
        };
        Ok(self.engine.has(count) && self.limiter.may_draw(portion as u64))
    }

    pub(crate) fn begin_wait(&mut self, append: bool) {
        let counts = &mut self.counts;
        let (held_back, waiting) = match append {
            true => (&mut counts.appends_held_back, &mut counts.appends_waiting),
            false => (&mut counts.draws_held_back, &mut counts.draws_waiting),
        };
        *held_back += 1;
        *waiting += 1;
    }

    pub(crate) fn end_wait(&mut self, append: bool, lasted: Duration) {
        let counts = &mut self.counts;
        let (wait, waiting) = match append {
            true => (&mut counts.append_wait, &mut counts.appends_waiting),
            false => (&mut counts.draw_wait, &mut counts.draws_waiting),
        };
        *wait += lasted;
        *waiting -= 1;
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    pub(crate) fn counts(&self) -> ReplayCounts {
        let evicted = self.engine.evicted();
        ReplayCounts {
            items_evicted_drawn: evicted.drawn,
            items_evicted_undrawn: evicted.undrawn,
            items_too_old: evicted.too_old,
            items_held: self.engine.len() as u64,
            writers: self.writers.len() as u64,
            environments: self.writers.environments() as u64,
            env_steps_limit: self.engine.capacity() as u64,
            bytes_held: self.engine.held_bytes(),
            bytes_limit: self.settings.bytes,
            ..self.counts
        }
    }

    fn add(&mut self, streams: &[usize], segment: &Segment) -> usize {
        let items = self.telling_the_limiter(|engine| engine.append(streams, segment));
        let env_steps = segment.len() as u64;
        if !self.is_queue() {
            self.limiter.appended(env_steps);
        }
        self.counts.env_steps_inserted += env_steps;
        self.counts.segments_inserted += 1;
        items
    }

    fn cut_off(&mut self, streams: &[usize]) {
        self.counts.interruptions += 1;
        self.telling_the_limiter(|engine| engine.interrupt(streams));
    }

    /// Lets items come, and go; a queue counts both.
    fn telling_the_limiter(&mut self, change: impl FnOnce(&mut Engine) -> usize) -> usize {
        let before = self.engine.evicted().undrawn;
        let items = change(&mut self.engine);
        let lost = self.engine.evicted().undrawn - before;
        self.counts.items_inserted += items as u64;
        if self.is_queue() {
            self.limiter.appended(items as u64);
            self.limiter.drawn(lost);
        }
        items
    }

    fn is_queue(&self) -> bool {
        matches!(self.settings.table, TableKind::Fifo { .. })
    }

    fn check_open(&self) -> Result<(), ReplayError> {
        match self.closed {
            true => Err(ReplayError::Closed),
            false => Ok(()),
        }
    }
}

fn check_portion(what: &'static str, found: usize, most: usize) -> Result<(), ReplayError> {
    match (1..=most).contains(&found) {
        true => Ok(()),
        false => Err(ReplayError::TooMuch { what, most, found }),
    }
}

fn limiter(settings: &ReplaySettings) -> Result<RateLimiter, ReplayRefused> {
    let (append, draw) = (
        settings.most_env_steps_per_append,
        settings.most_items_per_draw,
    );
    let limiter = match settings.table {
        TableKind::Fifo { queue_items } => {
            let wide = append.min(settings.most_environments_per_writer);
            let items = wide * settings.items.most_complete(append.div_ceil(wide));
            let portions = Portions {
                append: items as u64,
                draw: draw as u64,
            };
            RateLimiter::queue(queue_items as u64, portions)?
        }
        TableKind::Uniform { pace } | TableKind::Prioritized { pace, .. } => {
            let portions = Portions {
                append: append as u64,
                draw: (draw * settings.items.env_steps()) as u64,
            };
            RateLimiter::sampled(pace.start_env_steps, pace.samples_per_insert, portions)?
        }
    };
    Ok(limiter)
}
