//! Rounds of the synchronous mode (A2C): all workers' gradients make one update together.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use troop_common::proto::v1::Verdict;

use crate::admission::Refusal;
use crate::session::SessionId;

/// Gathers one contribution of each member, all of them computed on the same version.
///
/// The members of a round are the sessions that are open when it begins: it waits for them. A
/// session that opens while nobody has contributed yet becomes a member too, for then nobody
/// waits. One that opens later is a member of the next round; this one does not wait for it, but
/// takes its contribution where that comes in time, so that no work is lost.
///
/// Times are since this life of the learner began.
#[derive(Debug)]
pub(crate) struct Rounds<C> {
    settings: RoundSettings,
    /// The version that this round's gradients are computed on.
    version: u64,
    /// Whether there have been enough sessions for the first round.
    begun: bool,
    open: BTreeSet<SessionId>,
    /// Members that have not contributed yet.
    missing: BTreeSet<SessionId>,
    /// In order of session, so that their sum does not depend on which came first.
    contributions: BTreeMap<SessionId, C>,
    deadline: Option<Duration>,
    a_member_left: bool,
}

/// How long rounds wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RoundSettings {
    /// Sessions that the first round waits for.
    pub(crate) first_sessions: usize,
    /// How long a round waits for the others after its first contribution; none is for ever.
    pub(crate) straggler_timeout: Option<Duration>,
}

/// Why a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RoundEnd {
    /// All members have contributed.
    Full,
    /// All have but those that left.
    Left,
    /// Some did not in time.
    Deadline,
}

/// A round that has ended: one contribution at least.
#[derive(Debug, PartialEq)]
pub(crate) struct Round<C> {
    pub(crate) end: RoundEnd,
    pub(crate) contributions: BTreeMap<SessionId, C>,
}

impl<C> Rounds<C> {
    /// The first round is computed on `version`.
    pub(crate) fn new(settings: RoundSettings, version: u64) -> Self {
        Self {
            settings,
            version,
            begun: false,
            open: BTreeSet::new(),
            missing: BTreeSet::new(),
            contributions: BTreeMap::new(),
            deadline: None,
            a_member_left: false,
        }
    }

    /// The version that contributions must be computed on.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// When the round ends at the latest; none where nothing says so yet.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// A session opens at `now`.
    pub(crate) fn open(&mut self, session: SessionId, now: Duration) {
        self.open.insert(session);
        if !self.begun || self.contributions.is_empty() {
            self.missing.insert(session);
        }
        if self.open.len() >= self.settings.first_sessions && !self.begun {
            self.begun = true;
            self.start_waiting(now);
        }
    }

    /// A session leaves; its contribution to the open round goes with it.
    pub(crate) fn leave(&mut self, session: SessionId) -> Option<C> {
        self.open.remove(&session);
        let withdrawn = self.contributions.remove(&session);
        self.a_member_left |= self.missing.remove(&session) || withdrawn.is_some();
        if self.contributions.is_empty() {
            self.begin_with_those_who_are_open();
        }
        withdrawn
    }

    /// Takes a contribution to the open round, or says why not and gives it back.
    pub(crate) fn contribute(
        &mut self,
        session: SessionId,
        computed_on: u64,
        contribution: C,
        now: Duration,
    ) -> Result<(), (Refusal, C)> {
        match self.refusal(session, computed_on) {
            Some(refusal) => Err((refusal, contribution)),
            None => {
                self.missing.remove(&session);
                self.contributions.insert(session, contribution);
                self.start_waiting(now);
                Ok(())
            }
        }
    }

    /// The round, where it is over at `now`; then the next one has begun.
    pub(crate) fn close(&mut self, now: Duration) -> Option<Round<C>> {
        if !self.begun || self.contributions.is_empty() {
            return None;
        }
        let overdue = self.deadline.is_some_and(|deadline| now >= deadline);
        let end = match (self.missing.is_empty(), self.a_member_left) {
            (true, false) => RoundEnd::Full,
            (true, true) => RoundEnd::Left,
            (false, _) if overdue => RoundEnd::Deadline,
            (false, _) => return None,
        };
        let contributions = std::mem::take(&mut self.contributions);
        self.version += 1;
        self.begin_with_those_who_are_open();
        Some(Round { end, contributions })
    }

    fn refusal(&self, session: SessionId, computed_on: u64) -> Option<Refusal> {
        let version = self.version;
        let (verdict, detail) = if !self.open.contains(&session) {
            let detail = format!("session {session} is not open in this epoch");
            (Verdict::WrongEpoch, detail)
        } else if computed_on > version {
            let detail = format!("computed on version {computed_on}; the newest is {version}");
            (Verdict::Malformed, detail)
        } else if computed_on < version {
            let detail = format!(
                "computed on version {computed_on}, whose round is closed; this round's is {version}"
            );
            (Verdict::Late, detail)
        } else if self.contributions.contains_key(&session) {
            let detail = format!("the session has contributed to the round of version {version}");
            (Verdict::Duplicate, detail)
        } else {
            return None;
        };
        Some(Refusal::new(verdict, detail))
    }

    fn start_waiting(&mut self, now: Duration) {
        if self.begun && self.deadline.is_none() && !self.contributions.is_empty() {
            self.deadline = self
                .settings
                .straggler_timeout
                .map(|timeout| now.saturating_add(timeout));
        }
    }

    fn begin_with_those_who_are_open(&mut self) {
        self.missing.clone_from(&self.open);
        self.deadline = None;
        self.a_member_left = false;
    }
}
