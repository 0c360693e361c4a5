use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::settings::settings;
use super::violation::Violations;
use crate::address::Address;
use crate::shard_ranges::MOST_SHARDS;

/// When the current parameters become the ones that actors get next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Publish {
    /// With the first update after this many milliseconds since the last publish, or with the first
    /// gradient then that is too old, where updates were made before.
    IntervalMs(u64),
    /// After every this many updates.
    Updates(u64),
}

/// What becomes of gradients that were computed on older weights than the newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StalenessPolicy {
    /// They are applied as they are.
    Accept,
    /// Those older than `max_staleness_updates` are rejected (Nair et al. 2015).
    #[default]
    Drop,
    /// They are applied at the learning rate × 1/max(1, τ) (Zhang et al. 2016).
    Scale,
    /// They are corrected by how far the parameters have moved (DC-ASGD, Zheng et al. 2017).
    Compensate,
    /// Fast workers wait for the slowest (SSP, Ho et al. 2013).
    Bound,
    /// There are none: all workers' gradients make one update together (A2C).
    Synchronous,
}

/// How the correction of an old gradient is weighed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CompensationForm {
    /// By one number for all parameters and times (DC-ASGD-c).
    #[default]
    Constant,
    /// By a number for each parameter that falls as its gradients grow (DC-ASGD-a).
    Adaptive,
}

settings! {
    /// `[learner]`: the parameter server.
    pub struct LearnerSettings {
        /// Address of the gRPC service: a port (0 takes a free one), or `unix:` and the absolute path of a socket.
        /// Other than loopback or a socket needs something of `[security]`.
        pub listen: Address = Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 7700))),
        /// Address of the [live page](dashboard.md), `/metrics`, `/healthz` and `/api/status`, always a port and
        /// without TLS. Other than loopback needs a token or `security.allow_insecure_listen`.
        pub http: SocketAddr = SocketAddr::from(([127, 0, 0, 1], 7780)),
        /// When the current parameters become the ones that actors get next: with the first update (or gradient that
        /// is too old) after an interval, or after every so many updates.
        #[unit = "ms or updates"]
        pub publish: Publish = Publish::Updates(1),
        /// What becomes of gradients that are τ updates old: they are applied as they are; rejected above a limit;
        /// applied at the learning rate × 1/max(1, τ); corrected, `g + λ·g⊙g⊙(θ_now − θ_computed_on)`. Or workers
        /// wait: the fast for the slow; all for all, so that the mean of their gradients makes one update (A2C; needs
        /// `publish = { updates = 1 }`).
        pub staleness: StalenessPolicy = StalenessPolicy::Drop,
        /// `drop`: a gradient that is more updates old than this is rejected.
        #[unit = "updates"]
        pub max_staleness_updates: u64 = 1_000,
        /// `compensate`: how the correction is weighed (Zheng et al. 2017): by λ itself, or by `λ₀/√(m+ε)`, m being a
        /// running mean of each parameter's g² and ε 1e-7. λ itself corrects nothing if gradients are small, as those
        /// clipped to a norm of 0.5 are.
        pub compensation_form: CompensationForm = CompensationForm::Constant,
        /// `compensate`, `constant`: λ, the weight of the correction.
        pub compensation: f64 = 0.04,
        /// `compensate`, `adaptive`: λ₀.
        pub adaptive_compensation: f64 = 2.0,
        /// `compensate`, `adaptive`: how much of m stays with each gradient, `m ← βm + (1−β)g²`.
        pub compensation_decay: f64 = 0.95,
        /// `compensate`: publishes that are kept to know how far the parameters have moved, each as large as the
        /// parameters; a gradient computed on an older one is rejected as stale.
        #[unit = "publishes"]
        pub compensation_history: usize = 16,
        /// `bound`: a worker that is more than this many gradients ahead of the slowest waits before it takes weights for
        /// its next one. With W workers no gradient is more than (2 × this + 1)(W − 1) updates old.
        #[unit = "gradients"]
        pub bound_updates: u64 = 4,
        /// `synchronous`: the first update waits for this many sessions; `troop train` takes its number of workers if
        /// it is 1.
        #[unit = "sessions"]
        pub synchronous_workers: usize = 1,
        /// `synchronous`: after the first gradient of a round the others have this long; then the round ends without
        /// them. A worker that three rounds in a row waited for in vain is waited for again once it sends a gradient.
        /// `bound`: a worker that has had its turn for three times this long is not waited for until a gradient of it
        /// is applied. `"none"` waits for ever.
        #[unit = "ms"]
        #[serde(with = "super::optional")]
        pub straggler_timeout_ms: Option<u64> = Some(10_000),
        /// Memory for gradients between their first byte and their apply; senders wait for room. One gradient fits
        /// always; `synchronous` needs room for one of each session.
        #[unit = "bytes"]
        pub bytes_in_flight: u64 = 1 << 30,
        /// Parts of the parameter vector, with a lock each; fewer if they would have less than 16 384 elements.
        #[unit = "parts"]
        pub stripes: usize = 16,
        /// Learners that the parameters are spread over: this one, and `troop-learner --shard` 1 and up, each a process of its
        /// own. Over the network only. [shards.md](shards.md) says when, and what such a run does not do.
        #[unit = "processes"]
        pub shards: usize = 1,
        /// Sessions beyond this many are refused.
        #[unit = "sessions"]
        pub max_sessions: usize = 4_096,
        /// A draining learner waits this long for its sessions to leave.
        #[unit = "ms"]
        pub drain_timeout_ms: u64 = 5_000,
        /// After the end of its run a learner goes on answering for this long, for workers, replays and shards whose connection
        /// was just lost: they hear that the run is over. It ends as soon as all have heard. One that is resumed when
        /// its run is over already knows nobody, and waits for all of this time; 0: it ends at once.
        #[unit = "s"]
        pub linger_s: u64 = 10,
    }
}

impl LearnerSettings {
    /// β of the running mean of squares, if gradients are corrected by what it says.
    pub fn adaptive_decay(&self) -> Option<f64> {
        use {CompensationForm::Adaptive, StalenessPolicy::Compensate};
        let adaptive = self.staleness == Compensate && self.compensation_form == Adaptive;
        adaptive.then_some(self.compensation_decay)
    }

    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        let (Publish::IntervalMs(every) | Publish::Updates(every)) = self.publish;
        violations.expect(
            every >= 1,
            "learner.publish",
            "must be at least 1: weights are published after some time or some updates",
        );
        self.check_staleness(violations);
        self.check_shards(violations);
        self.check_compensation(violations);
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

    fn check_shards(&self, violations: &mut Violations) {
        violations.expect(
            (1..=MOST_SHARDS).contains(&self.shards),
            "learner.shards",
            "must be from 1 to 64: each is a process that every worker has a stream with",
        );
    }

    fn check_staleness(&self, violations: &mut Violations) {
        let newest = self.max_staleness_updates.saturating_add(1);
        let too_rare = matches!(self.publish, Publish::Updates(updates) if updates > newest);
        violations.expect(
            self.staleness != StalenessPolicy::Drop || !too_rare,
            "learner.publish",
            "must not exceed `learner.max_staleness_updates` + 1: every gradient would be rejected \
             before new weights are published",
        );
        violations.expect(
            self.staleness != StalenessPolicy::Synchronous || self.publish == Publish::Updates(1),
            "learner.publish",
            "must be { updates = 1 } with `learner.staleness = \"synchronous\"`: every worker \
             waits for the weights of each update",
        );
        violations.expect(
            self.synchronous_workers >= 1,
            "learner.synchronous_workers",
            "must be at least 1: a round needs a worker",
        );
        violations.expect(
            self.straggler_timeout_ms != Some(0),
            "learner.straggler_timeout_ms",
            "must be above 0: no two gradients come at once; \"none\" waits for ever",
        );
        violations.expect(
            self.bytes_in_flight >= 1,
            "learner.bytes_in_flight",
            "must be at least 1: gradients need memory",
        );
    }
    fn check_compensation(&self, violations: &mut Violations) {
        violations.expect(
            self.compensation >= 0.0 && self.compensation.is_finite(),
            "learner.compensation",
            "must be a number of at least 0: it weighs the correction",
        );
        violations.expect(
            self.adaptive_compensation >= 0.0 && self.adaptive_compensation.is_finite(),
            "learner.adaptive_compensation",
            "must be a number of at least 0: it weighs the correction",
        );
        violations.expect(
            (0.0..1.0).contains(&self.compensation_decay),
            "learner.compensation_decay",
            "must be at least 0 and below 1: at 1 the squared gradients would never enter",
        );
        violations.expect(
            self.compensation_history >= 1,
            "learner.compensation_history",
            "must be at least 1: no gradient's weights would be known",
        );
    }
}
