use std::collections::BTreeMap;

use tokio::sync::oneshot;
use troop_common::proto::v1;

use super::barrier::RoundPart;
use crate::answers::{Outcome, Refusal, SessionId};
use crate::policy::round::Round;
use crate::shard::gradient::Gradient;

/// A round that is over, and whose step has not been taken.
#[derive(Default)]
pub(super) struct Over {
    /// What it is the mean of, in order of session.
    pub(super) gradients: BTreeMap<SessionId, Gradient>,
    pub(super) members: Vec<Member>,
    /// The last gradients of sessions that were refused before.
    pub(super) refused_before: BTreeMap<SessionId, u64>,
}

/// Who was a part of it.
pub(super) struct Member {
    pub(super) session: SessionId,
    /// That its session stands for.
    pub(super) gradients: u64,
    sequence: u64,
    pub(super) report: v1::Report,
    pub(super) answer: oneshot::Sender<Outcome>,
    /// Or why its gradient is no part of the mean.
    pub(super) staleness: Result<u64, Refusal>,
}

impl Over {
    pub(super) fn of(round: Round<RoundPart>) -> Self {
        let mut gradients = BTreeMap::new();
        let member = |(session, part): (SessionId, RoundPart)| Member {
            session,
            gradients: part.gradients,
            sequence: part.sequence,
            report: part.report,
            answer: part.answer,
            staleness: part.gradient.map(|gradient| {
                gradients.insert(session, gradient);
                0
            }),
        };
        let members = round.contributions.into_iter().map(member).collect();
        Self {
            gradients,
            members,
            refused_before: BTreeMap::new(),
        }
    }

    /// The gradients that it is the mean of, as shards know them.
    pub(super) fn named(&self) -> Vec<v1::ArrivedSession> {
        let gradients = self.gradients.iter();
        let name =
            |(session, gradient): (&SessionId, &Gradient)| (*session, gradient.origin.sequence);
        gradients.map(name).map(named).collect()
    }

    /// The last gradients of sessions that were refused, in the round or before it.
    pub(super) fn refused(&self) -> Vec<v1::ArrivedSession> {
        let members = self.members.iter();
        let refused = members.filter(|member| member.staleness.is_err());
        let in_round = refused.map(|member| (member.session, member.sequence));
        let before = self.refused_before.iter().map(|(one, last)| (*one, *last));
        before.chain(in_round).map(named).collect()
    }

    /// A session's gradient is no part of the mean; whether it was one.
    pub(super) fn leave_out(&mut self, session: SessionId, why: Refusal) -> bool {
        let left_out = self.gradients.remove(&session).is_some();
        if let Some(member) = self
            .members
            .iter_mut()
            .find(|member| left_out && member.session == session)
        {
            member.staleness = Err(why);
        }
        left_out
    }
}

fn named((lead_session, sequence): (SessionId, u64)) -> v1::ArrivedSession {
    v1::ArrivedSession {
        lead_session,
        sequence,
    }
}
