use serde::Serialize;

use super::interruption::Interruption;
use super::summary;

/// Measures so many rounds, and shows their medians beside the settings.
///
/// # Errors
/// If a round fails, or the bench is interrupted.
pub(super) fn report<R: Serialize>(
    settings: &impl Serialize,
    repeat: usize,
    json: bool,
    measure: impl Fn(&Interruption) -> anyhow::Result<R>,
) -> anyhow::Result<()> {
    let interruption = Interruption::catch()?;
    let rounds = (0..repeat).map(|_| anyhow::Ok(serde_json::to_value(measure(&interruption)?)?));
    let rounds = rounds.collect::<Result<_, _>>()?;
    summary::print(serde_json::to_value(settings)?, rounds, json)
}
