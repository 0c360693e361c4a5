use troop_common::experience::{Actions, End, Observations};
use troop_common::spaces::{ElementType, Spaces};

use super::area_scale::AreaScale;
use super::error::EnvironmentError;
use super::step::Step;
use super::vector_environment::VectorEnvironment;

/// Shows the grey screens `[1, H, W]` of each environment as squares `[1, S, S]`, see [`AreaScale`].
pub(super) struct ScaledScreens {
    inner: Box<dyn VectorEnvironment>,
    spaces: Spaces,
    scale: AreaScale,
    newest: Vec<u8>,
    finals: Vec<u8>,
}

impl ScaledScreens {
    /// # Errors
    /// If there are no screens, or smaller ones than what is asked for.
    pub(super) fn new(
        inner: Box<dyn VectorEnvironment>,
        side: usize,
    ) -> Result<Self, EnvironmentError> {
        let mut spaces = inner.spaces().clone();
        let shape = &mut spaces.observation.shape;
        let scale = match (shape.as_slice(), spaces.observation.element) {
            (&[1, height, width], ElementType::U8) => AreaScale::new([height, width], side),
            _ => None,
        };
        let scale = scale.ok_or_else(|| {
            EnvironmentError::Fatal(format!(
                "environment.atari.screen_size is {side}; expected no more than a screen has, whose shape is {shape:?}"
            ))
        })?;
        *shape = vec![1, side, side];
        let len = inner.count() * side * side;
        Ok(Self {
            inner,
            spaces,
            scale,
            newest: vec![0; len],
            finals: vec![0; len],
        })
    }

    /// Scales what the last reset or step left behind.
    fn look(&mut self) -> Result<(), EnvironmentError> {
        let Step {
            observations: Observations::U8(screens),
            final_observations: Observations::U8(finals),
            ends,
            ..
        } = self.inner.last()
        else {
            let message = "screens became something else than bytes";
            return Err(EnvironmentError::Fatal(message.into()));
        };
        let screen = screens.len() / ends.len().max(1);
        let side = self.newest.len() / ends.len().max(1);
        let (screens, finals) = (screens.chunks_exact(screen), finals.chunks_exact(screen));
        let newest = self.newest.chunks_exact_mut(side);
        let scaled = newest.zip(self.finals.chunks_exact_mut(side));
        for (((newest, last), (screen, final_screen)), end) in
            scaled.zip(screens.zip(finals)).zip(ends)
        {
            self.scale.scale(screen, newest);
            if *end != End::Continues {
                self.scale.scale(final_screen, last);
            }
        }
        Ok(())
    }
}

impl VectorEnvironment for ScaledScreens {
    fn spaces(&self) -> &Spaces {
        &self.spaces
    }

    fn count(&self) -> usize {
        self.inner.count()
    }

    fn frame_skip(&self) -> u32 {
        self.inner.frame_skip()
    }

    fn reset(&mut self, seed: u64) -> Result<(), EnvironmentError> {
        self.inner.reset(seed)?;
        self.look()
    }

    fn step(&mut self, actions: &Actions) -> Result<(), EnvironmentError> {
        self.inner.step(actions)?;
        self.look()
    }

    fn last(&self) -> Step<'_> {
        Step {
            observations: Observations::U8(&self.newest),
            final_observations: Observations::U8(&self.finals),
            ..self.inner.last()
        }
    }
}
