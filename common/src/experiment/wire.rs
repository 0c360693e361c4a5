use serde::{Deserialize, Serialize};

use super::Publish;
use super::settings::settings;
use super::violation::Violations;

/// How tensors travel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WireEncoding {
    /// Exact.
    #[default]
    F32,
    /// Half the bytes, 8 bits of precision.
    Bf16,
}

/// When a session is sent weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendWeights {
    /// With each publish, the newest when there is room.
    #[default]
    EachPublish,
    /// The newest, once for each gradient that the session has sent: its answer.
    AfterGradient,
}

settings! {
    /// `[wire]`: what crosses the network, and how.
    pub struct WireSettings {
        /// How gradients travel: exact, or half the bytes with 8 bits of precision.
        pub gradients: WireEncoding = WireEncoding::F32,
        /// How weights travel.
        pub weights: WireEncoding = WireEncoding::F32,
        /// When a session is sent weights: with each publish, or the newest once for each gradient that it has sent.
        pub send_weights: SendWeights = SendWeights::EachPublish,
        /// Gradients that a worker may have sent without an answer yet; one if workers take turns (`learner.staleness =
        /// "bound"` or `"synchronous"`).
        #[unit = "gradients"]
        pub gradients_in_flight: usize = 2,
        /// Either side pings a silent connection after this long.
        #[unit = "ms"]
        pub keepalive_interval_ms: u64 = 10_000,
        /// A connection whose ping is not answered for this long is dropped.
        #[unit = "ms"]
        pub keepalive_timeout_ms: u64 = 10_000,
    }
}

impl WireSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, publish: Publish, violations: &mut Violations) {
        violations.expect(
            self.send_weights == SendWeights::EachPublish || publish == Publish::Updates(1),
            "learner.publish",
            "must be { updates = 1 } with `wire.send_weights = \"after_gradient\"`: each gradient is \
             answered by weights that it is part of",
        );
        violations.expect(
            self.gradients_in_flight >= 1,
            "wire.gradients_in_flight",
            "must be at least 1: no gradient could be sent",
        );
        for (key, limit) in [
            ("wire.keepalive_interval_ms", self.keepalive_interval_ms),
            ("wire.keepalive_timeout_ms", self.keepalive_timeout_ms),
        ] {
            violations.expect(limit >= 1, key, "must be above 0: no answer comes at once");
        }
    }
}
