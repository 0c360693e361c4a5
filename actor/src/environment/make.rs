use std::time::Duration;

use troop_common::experiment::EnvironmentSettings;

use super::error::EnvironmentError;
use super::frame_stack::FrameStack;
use super::gymnasium::GymnasiumHost;
use super::native;
use super::rescaled_actions::RescaledActions;
use super::scaled_screens::ScaledScreens;
use super::step_sleep::StepSleep;
use super::vector_environment::VectorEnvironment;

/// Whether Rust steps the environments that `settings` name, so that no Python is needed.
pub fn is_native(settings: &EnvironmentSettings) -> bool {
    matches!(native::make(settings), Ok(Some(_)))
}

/// Makes the environments that `settings` name.
///
/// # Errors
/// If there is no such environment, or its host cannot start; says why.
pub fn make(
    settings: &EnvironmentSettings,
) -> Result<Box<dyn VectorEnvironment>, EnvironmentError> {
    let mut environment = match native::make(settings)? {
        Some(native) => native,
        None => Box::new(GymnasiumHost::start(settings)?),
    };
    if settings.step_sleep_us > 0 {
        let sleep = Duration::from_micros(settings.step_sleep_us);
        let inner = environment;
        environment = Box::new(StepSleep { inner, sleep });
    }
    if settings.rescale_actions {
        environment = RescaledActions::around(environment);
    }
    if settings.is_atari() {
        let screens = ScaledScreens::new(environment, settings.atari.screen_size as usize)?;
        environment = Box::new(FrameStack::new(
            Box::new(screens),
            settings.atari.stack as usize,
        ));
    }
    if settings.frame_stack > 1 {
        environment = Box::new(FrameStack::new(environment, settings.frame_stack));
    }
    Ok(environment)
}
