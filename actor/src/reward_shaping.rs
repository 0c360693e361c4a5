//! What a reward counts for learning.

use troop_common::experiment::EnvironmentSettings;

/// Scales rewards, then clips them. Reported returns stay raw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RewardShaping {
    scale: f32,
    /// The largest number if nothing is clipped: what is not finite would spoil all that is computed from it.
    clip: f32,
}

impl RewardShaping {
    /// As the experiment says.
    pub(crate) fn new(settings: &EnvironmentSettings) -> Self {
        Self {
            scale: settings.reward_scale,
            clip: settings.reward_clip.unwrap_or(f32::MAX),
        }
    }

    /// What a raw reward counts.
    pub(crate) fn of(self, reward: f32) -> f32 {
        (reward * self.scale).clamp(-self.clip, self.clip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shaped(reward_scale: f32, reward_clip: Option<f32>, rewards: [f32; 4]) -> [f32; 4] {
        let shaping = RewardShaping::new(&EnvironmentSettings {
            reward_scale,
            reward_clip,
            ..EnvironmentSettings::default()
        });
        rewards.map(|reward| shaping.of(reward))
    }

    #[test]
    fn rewards_are_scaled_and_then_clipped() {
        let raw = [-8.0, -1.0, 0.25, 400.0];
        assert_eq!(shaped(1.0, None, raw), raw);
        assert_eq!(shaped(0.5, None, raw), [-4.0, -0.5, 0.125, 200.0]);
        assert_eq!(shaped(0.5, Some(1.0), raw), [-1.0, -0.5, 0.125, 1.0]);
    }
}
