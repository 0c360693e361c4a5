/// State fades where no gradient comes. Below this it counts as 0, long before numbers become
/// subnormal: arithmetic with those takes ten times as long, and a step is none the smaller.
const VANISHING: f32 = 1e-30;

/// `state`, or 0 if it has faded.
#[inline(always)]
pub(super) fn flushed(state: f32) -> f32 {
    if state.abs() < VANISHING { 0.0 } else { state }
}
