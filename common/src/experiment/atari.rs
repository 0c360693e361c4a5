use super::settings::settings;
use super::violation::Violations;

/// Smallest screen that leaves the convolutional nets something to see, in pixels.
const MIN_SCREEN: u32 = 36;

/// Columns of the emulator's own screen; there is nothing more to see.
const MAX_SCREEN: u32 = 160;

settings! {
    /// `[environment.atari]`: Mnih et al. 2015, methods; used for `ALE/…` ids only.
    pub struct AtariSettings {
        /// Emulator ticks an env step; the last two are merged by their maximum.
        #[unit = "frames"]
        pub frame_skip: u32 = 4,
        /// Grey frames stacked as channels.
        #[unit = "frames"]
        pub stack: u32 = 4,
        /// Height and width of a frame after scaling, 36 to 160.
        #[unit = "pixels"]
        pub screen_size: u32 = 84,
        /// Up to this many no-ops after a reset.
        #[unit = "env steps"]
        pub noop_max: u32 = 30,
        /// Whether losing a life ends the episode for learning; the game goes on, and returns are those of whole
        /// games.
        pub terminal_on_life_loss: bool = false,
        /// That the emulator repeats the last action ("sticky actions"); 0 in the papers.
        #[unit = "probability"]
        pub repeat_action_probability: f32 = 0.0,
        /// Whether all 18 actions are offered in place of the game's own.
        pub full_action_space: bool = false,
        /// Episodes are truncated after this many; the default is 30 minutes.
        #[unit = "frames"]
        pub max_episode_frames: u32 = 108_000,
    }
}

impl AtariSettings {
    /// Notes every value that cannot work.
    pub(super) fn check(&self, violations: &mut Violations) {
        violations.expect(
            self.frame_skip >= 1,
            "environment.atari.frame_skip",
            "must be at least 1: an env step takes at least one emulator tick",
        );
        violations.expect(
            self.stack >= 1,
            "environment.atari.stack",
            "must be at least 1: the network needs a frame to see",
        );
        violations.expect(
            (MIN_SCREEN..=MAX_SCREEN).contains(&self.screen_size),
            "environment.atari.screen_size",
            "must be from 36 to 160 pixels: the convolutional nets have nothing left below, the \
             emulator shows nothing more above",
        );
        let repeat = self.repeat_action_probability;
        violations.expect(
            (0.0..1.0).contains(&repeat),
            "environment.atari.repeat_action_probability",
            "must be at least 0 and below 1: at 1 the agent would never act",
        );
        violations.expect(
            self.max_episode_frames >= self.frame_skip.max(1),
            "environment.atari.max_episode_frames",
            "must be at least `environment.atari.frame_skip`: an episode has at least one env step",
        );
    }
}
