use std::collections::BTreeMap;

use troop_common::proto::v1;

use crate::answers::SessionId;

/// Up to which gradient each session has come, by its number with the lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrived(BTreeMap<SessionId, u64>);

impl Arrived {
    /// A session has come up to `sequence`, and maybe further elsewhere.
    pub(crate) fn raise(&mut self, lead_session: SessionId, sequence: u64) {
        let known = self.0.entry(lead_session).or_default();
        *known = sequence.max(*known);
    }

    /// As far as either has come.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (&session, &sequence) in &other.0 {
            self.raise(session, sequence);
        }
    }

    /// The last gradient of a session; 0 if there is none.
    pub(crate) fn of(&self, lead_session: SessionId) -> u64 {
        self.0.get(&lead_session).copied().unwrap_or_default()
    }

    /// As a message of a cut.
    pub(crate) fn message(&self, cut: u64) -> v1::Arrived {
        let session = |(&lead_session, &sequence)| v1::ArrivedSession {
            lead_session,
            sequence,
        };
        v1::Arrived {
            cut,
            sessions: self.0.iter().map(session).collect(),
        }
    }
}

impl From<v1::Arrived> for Arrived {
    fn from(message: v1::Arrived) -> Self {
        let mut arrived = Self::default();
        for session in message.sessions {
            arrived.raise(session.lead_session, session.sequence);
        }
        arrived
    }
}
