//! What happened in a run and has not been written down yet.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use serde_json::Value;

use super::run_event::{Level, RunEvent};

/// Events that wait to be written at most; if nobody writes them, further ones are left out.
const MOST_WAITING: usize = 1_000;

/// Something that happened, without its moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Occurrence {
    level: Level,
    message: &'static str,
    fields: BTreeMap<String, Value>,
}

impl Occurrence {
    pub(crate) fn info(message: &'static str) -> Self {
        Self::new(Level::Info, message)
    }

    pub(crate) fn warning(message: &'static str) -> Self {
        Self::new(Level::Warning, message)
    }

    pub(crate) fn error(message: &'static str) -> Self {
        Self::new(Level::Error, message)
    }

    fn new(level: Level, message: &'static str) -> Self {
        Self {
            level,
            message,
            fields: BTreeMap::new(),
        }
    }

    /// Adds one of the particulars.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }
}

/// When something happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// Since this life began.
    pub(crate) since_start: Duration,
    /// Time that the run has been going on.
    pub(crate) wall_seconds: f64,
    /// Seconds since 1970.
    pub(crate) unix_seconds: f64,
    /// Env steps counted.
    pub(crate) env_steps: u64,
}

/// Collects events until somebody writes them. An actor that comes and goes for ever, or whose
/// gradients are all bad, does not fill it: each kind of event has an allowance.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    waiting: VecDeque<RunEvent>,
    allowances: HashMap<&'static str, Allowance>,
}

impl Journal {
    /// Takes an event; false if its kind has used up its allowance.
    pub(crate) fn note(&mut self, occurrence: Occurrence, moment: Moment) -> bool {
        let Occurrence {
            level,
            message,
            mut fields,
        } = occurrence;
        let allowance = self
            .allowances
            .entry(message)
            .or_insert_with(|| Allowance::full(level, moment.since_start));
        if self.waiting.len() >= MOST_WAITING || !allowance.take(moment.since_start) {
            allowance.omitted += 1;
            return false;
        }
        let omitted = std::mem::take(&mut allowance.omitted);
        if omitted > 0 {
            fields.insert("omitted".into(), omitted.into());
        }
        self.waiting.push_back(RunEvent {
            wall_seconds: moment.wall_seconds,
            unix_seconds: moment.unix_seconds,
            env_steps: moment.env_steps,
            level,
            message: message.into(),
            fields,
        });
        true
    }

    /// Gives what has happened since the last call.
    pub(crate) fn take(&mut self) -> VecDeque<RunEvent> {
        std::mem::take(&mut self.waiting)
    }
}

/// How many events of a kind may be noted: some at once, then one in an interval.
#[derive(Debug)]
struct Allowance {
    left: f64,
    most: f64,
    per_second: f64,
    at: Duration,
    omitted: u64,
}

impl Allowance {
    /// Sessions come and go by the hundred when a cluster starts; of what is wrong a few examples
    /// are enough.
    fn full(level: Level, now: Duration) -> Self {
        let (most, per_second) = match level {
            Level::Info => (500.0, 0.1),
            Level::Warning | Level::Error => (5.0, 1.0 / 60.0),
        };
        Self {
            left: most,
            most,
            per_second,
            at: now,
            omitted: 0,
        }
    }

    fn take(&mut self, now: Duration) -> bool {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + passed * self.per_second).min(self.most);
        self.at = self.at.max(now);
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment {
            since_start: Duration::from_secs(seconds),
            wall_seconds: 100.0 + seconds as f64,
            unix_seconds: 1e9 + seconds as f64,
            env_steps: seconds * 10,
        }
    }

    #[test]
    fn an_event_has_its_moment_and_particulars_and_is_given_once() {
        let mut journal = Journal::default();
        journal.note(Occurrence::info("session joined").with("session", 3), at(2));
        let events = journal.take();
        let expected = RunEvent {
            wall_seconds: 102.0,
            unix_seconds: 1e9 + 2.0,
            env_steps: 20,
            level: Level::Info,
            message: "session joined".into(),
            fields: [("session".to_owned(), 3.into())].into(),
        };
        assert_eq!(events, [expected]);
        assert!(journal.take().is_empty());
    }

    #[test]
    fn what_happens_all_the_time_is_noted_now_and_then_with_a_count() {
        let mut journal = Journal::default();
        for _ in 0..105 {
            journal.note(Occurrence::error("bad"), at(0));
        }
        journal.note(Occurrence::warning("other"), at(0));
        assert_eq!(
            journal.take().len(),
            5 + 1,
            "each kind has its own allowance"
        );
        journal.note(Occurrence::error("bad"), at(59));
        assert!(journal.take().is_empty());
        journal.note(Occurrence::error("bad"), at(61));
        assert_eq!(journal.take()[0].fields["omitted"], 101);
    }

    #[test]
    fn where_nobody_writes_it_stays_small() {
        let mut journal = Journal::default();
        for message in ["a", "b", "c", "d"] {
            for _ in 0..400 {
                journal.note(Occurrence::info(message), at(0));
            }
        }
        assert_eq!(journal.take().len(), MOST_WAITING);
    }
}
