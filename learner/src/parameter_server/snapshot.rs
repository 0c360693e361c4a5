use crate::ledger::Ledger;
use crate::shard::snapshot::Snapshot;

/// What goes with a publish of `version`, as the ledger has it now.
pub(super) fn snapshot(ledger: &Ledger, version: u64) -> Snapshot {
    let (env_steps, frames) = ledger.steps();
    Snapshot {
        at: ledger.now(),
        version,
        env_steps,
        frames,
        sessions: ledger.sessions().open().training() as u64,
        observations: ledger.observations(),
    }
}
