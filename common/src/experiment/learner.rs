use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::violation::Violations;
use crate::address::Address;

/// When the current parameters become the ones that actors get next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// With the first update after this many milliseconds since the last publish.
    IntervalMs(u64),
    /// After every this many updates.
    Updates(u64),
}

/// `[learner]`: the parameter server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LearnerSettings {
    /// Address of the gRPC service, a port (0 takes a free one) or a Unix socket.
    pub listen: Address,
    /// Address of `/metrics`, `/healthz` and `/api/status`; port 0 takes a free one.
    pub http: SocketAddr,
    /// When weights are published.
    pub publish: Publish,
    /// A gradient that is more updates old than this is rejected.
    pub max_staleness_updates: u64,
    /// Parts of the parameter vector with a lock each.
    pub stripes: usize,
    /// Sessions beyond this many are refused.
    pub max_sessions: usize,
    /// A draining learner waits this long for its sessions to leave, in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Default for LearnerSettings {
    fn default() -> Self {
        Self {
            listen: Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 7700))),
            http: SocketAddr::from(([127, 0, 0, 1], 7780)),
            publish: Publish::Updates(1),
            max_staleness_updates: 1_000,
            stripes: 16,
            max_sessions: 4_096,
            drain_timeout_ms: 5_000,
        }
    }
}

impl LearnerSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        let (Publish::IntervalMs(every) | Publish::Updates(every)) = self.publish;
        violations.expect(
            every >= 1,
            "learner.publish",
            "must be at least 1: weights are published after some time or some updates",
        );
        let newest = self.max_staleness_updates.saturating_add(1);
        violations.expect(
            !matches!(self.publish, Publish::Updates(updates) if updates > newest),
            "learner.publish",
            "must not exceed `learner.max_staleness_updates` + 1: every gradient would be rejected \
             before new weights are published",
        );
        violations.expect(
            self.stripes >= 1,
            "learner.stripes",
            "must be at least 1: the parameters are in one part or more",
        );
        violations.expect(
            self.max_sessions >= 1,
            "learner.max_sessions",
            "must be at least 1: no worker could join",
        );
        violations.expect(
            self.drain_timeout_ms >= 1,
            "learner.drain_timeout_ms",
            "must be above 0: sessions need time to leave",
        );
    }
}
