use super::violation::Violations;
use super::{EnvironmentSettings, RunSettings, TargetSync};

/// What a method learns, and so which networks it can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// `Q(s, a)`: explores by ε, may have duelling heads.
    ActionValues,
    /// `π(a|s)` and `V(s)`: draws its actions, may keep both apart.
    Policy,
}

/// What a method's settings have to fit.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// `[experiment]`.
    pub(super) run: &'a RunSettings,
    /// `[environment]`.
    pub(super) environment: &'a EnvironmentSettings,
    /// Whether the network has recurrent state, `model.lstm`.
    pub(super) has_state: bool,
    /// Whether some workers only act and others only train.
    pub(super) is_split: bool,
}

/// What the rest of an experiment asks the settings of a method.
pub(super) trait MethodRules {
    /// What it learns.
    fn learns(&self) -> Learns;

    /// Steps of each environment in a segment.
    fn t_max(&self) -> usize;

    /// Discount γ of an env step.
    fn discount(&self) -> f32;

    /// Env steps that a worker of so many environments may live through before it sends a gradient,
    /// those of a segment aside: what a replay memory is filled with is reported with the first one.
    fn env_steps_before_gradient(&self, _environments: u64) -> u64 {
        0
    }

    /// Whether it unrolls recurrent networks, `model.lstm`.
    fn is_recurrent(&self) -> bool {
        false
    }

    /// Keys of `[method]` that say what a replay holds which workers share, and how it is drawn; none if it cannot learn
    /// from one.
    fn replay_keys(&self) -> Option<&'static [&'static str]> {
        None
    }

    /// When its target network is refreshed, if it has one.
    fn target_sync(&self) -> Option<TargetSync> {
        None
    }

    /// Env steps that a worker of so many environments lives through for each of its gradients.
    fn env_steps_per_gradient(&self, environments: u64) -> f64 {
        self.t_max() as f64 * environments as f64
    }

    /// Notes every value that cannot work, by itself or in these surroundings.
    fn check(&self, around: &Surroundings<'_>, violations: &mut Violations);
}

/// Notes what cannot work in the keys that every method has.
pub(super) fn check_segment(t_max: usize, discount: f32, violations: &mut Violations) {
    violations.expect(
        t_max >= 1,
        "method.t_max",
        "must be at least 1: a segment without steps has no gradient",
    );
    violations.expect(
        (0.0..=1.0).contains(&discount),
        "method.discount",
        "must be from 0 to 1: above 1 returns diverge",
    );
}

/// Notes an interval that nothing crosses.
pub(super) fn check_target_sync(target_sync: TargetSync, violations: &mut Violations) {
    use TargetSync::{Frames, Updates, UpdatesPerWorker};
    let (Frames(every) | Updates(every) | UpdatesPerWorker(every)) = target_sync;
    violations.expect(
        every >= 1,
        "method.target_sync",
        "must be at least 1: nothing crosses a multiple of 0",
    );
}

/// Notes a λ that is none.
pub(super) fn check_gae_lambda(gae_lambda: f32, violations: &mut Violations) {
    violations.expect(
        (0.0..=1.0).contains(&gae_lambda),
        "method.gae_lambda",
        "must be from 0 (one-step) to 1 (n-step advantage)",
    );
}

/// Notes weights that a policy's method cannot give to its terms.
pub(super) fn check_term_weights(
    entropy_weight: f64,
    value_weight: f64,
    violations: &mut Violations,
) {
    for (key, weight) in [
        ("method.entropy_weight", entropy_weight),
        ("method.value_weight", value_weight),
    ] {
        violations.expect(
            weight >= 0.0 && weight.is_finite(),
            key,
            "must be finite and at least 0: a negative weight drives its term the wrong way",
        );
    }
}
