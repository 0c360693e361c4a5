use troop_common::experiment::EnvironmentSettings;
use troop_common::spaces::{ElementType, ObservationSpace};

/// Frames that an observation of this environment stacks along its first axis: each step moves
/// them down by one and adds one. 1 if nothing is known to be stacked. Observations that are normalised are kept
/// raw, with what they stack.
pub fn stack(environment: &EnvironmentSettings) -> usize {
    match environment.is_atari() {
        true => environment.atari.stack as usize,
        false => environment.frame_stack,
    }
}

/// Bytes of one frame out of a stack.
pub(crate) fn frame_bytes(space: &ObservationSpace, stack: usize) -> usize {
    let first = space.shape.first().copied().unwrap_or(1);
    assert!(
        stack >= 1 && first.is_multiple_of(stack),
        "a stack of {stack} in observations of {:?}",
        space.shape
    );
    let element = match space.element {
        ElementType::F32 => size_of::<f32>(),
        ElementType::U8 => size_of::<u8>(),
    };
    space.len() / stack * element
}
