use std::collections::{BTreeMap, BTreeSet};

use crate::trace::Happening;

/// What the learner says of a session that the others wait for no more.
const SILENT: &str = "session is silent; the others wait for it no more until it contributes";

/// What the learner says of its sessions, life by life: each sequence number is answered once and
/// in order, and with `learner.staleness = "bound"` nobody runs ahead of the slowest that is waited for.
#[derive(Default)]
pub(crate) struct Turns {
    /// s, where there is a bound.
    bound: Option<u64>,
    /// Of the open sessions: applied gradients, counted from where the slowest was at its opening.
    clocks: BTreeMap<u64, u64>,
    /// Open sessions that are not waited for.
    silent: BTreeSet<u64>,
    /// Each session's last sequence number.
    answered: BTreeMap<u64, u64>,
    /// Gradients applied in this life.
    applied: u64,
}

impl Turns {
    pub(crate) fn new(bound: Option<u64>) -> Self {
        Self {
            bound,
            ..Self::default()
        }
    }

    pub(crate) fn applied(&self) -> u64 {
        self.applied
    }

    pub(crate) fn see(&mut self, happening: &Happening) -> Result<(), String> {
        match happening.message.as_str() {
            "life begins" => *self = Self::new(self.bound),
            "session opened" if happening.fields.contains_key("elements") => {
                self.begin(happening.number("session"));
            }
            "session ends" => {
                self.clocks.remove(&happening.number("session"));
                self.silent.remove(&happening.number("session"));
            }
            SILENT => {
                self.clocks.remove(&happening.number("session"));
                self.silent.insert(happening.number("session"));
            }
            "gradient answered" => return self.answer(happening),
            _ => {}
        }
        Ok(())
    }

    /// A session begins where the slowest is.
    fn begin(&mut self, session: u64) {
        let slowest = self.clocks.values().min().copied().unwrap_or_default();
        self.clocks.insert(session, slowest);
    }

    fn answer(&mut self, happening: &Happening) -> Result<(), String> {
        let (session, sequence) = (happening.number("session"), happening.number("sequence"));
        let last = self.answered.insert(session, sequence).unwrap_or_default();
        if sequence != last + 1 {
            return Err(format!("{happening}: the last one answered was {last}"));
        }
        match happening.fields["verdict"].as_str() {
            "\"VERDICT_APPLIED\"" => self.apply(session, happening),
            "\"VERDICT_STALE\"" | "\"VERDICT_LATE\"" | "\"VERDICT_WRONG_EPOCH\"" => Ok(()),
            _ => Err(format!("{happening}: no worker gives cause for that")),
        }
    }

    fn apply(&mut self, session: u64, happening: &Happening) -> Result<(), String> {
        self.applied += 1;
        if self.silent.remove(&session) {
            self.begin(session);
        }
        let clock = self.clocks.get_mut(&session);
        let clock = clock.ok_or_else(|| format!("{happening}: the session is not open"))?;
        *clock += 1;
        let ahead = *clock - self.clocks.values().min().copied().unwrap_or_default();
        match self.bound {
            Some(bound) if ahead > bound + 1 => Err(format!(
                "{happening}: {ahead} ahead of the slowest; s is {bound}"
            )),
            _ => Ok(()),
        }
    }
}
