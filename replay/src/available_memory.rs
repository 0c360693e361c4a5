//! Whether the replays of a process fit into the machine's memory.

use troop_common::available_memory::available_bytes;

use crate::store::held_bytes;

/// What replays may take of the memory that is available: the rest is for networks and environments.
const SHARE: f64 = 0.9;

/// What the workers of a process want to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayDemand {
    /// Bytes of one worker's replay when it is full.
    pub bytes_per_worker: u64,
    /// The key that decides how large it is.
    pub capacity_key: &'static str,
    /// Its value.
    pub capacity: usize,
}

/// A replay that the machine has no memory for.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error(
    "`{key}` = {capacity} needs {needed_gb:.1} GB for {}; this machine has {available_gb:.1} GB left for that: set `{key}` to {fitting} or \
     less{}",
    replays(*.workers),
    advice(*.workers)
)]
pub struct ReplayTooLarge {
    /// The key to change.
    pub key: &'static str,
    /// Its value.
    pub capacity: usize,
    /// The largest value that fits.
    pub fitting: usize,
    /// Workers of this process.
    pub workers: usize,
    /// Gigabytes of all replays.
    pub needed_gb: f64,
    /// Gigabytes that there are for them.
    pub available_gb: f64,
}

fn replays(workers: usize) -> String {
    match workers {
        1 => "a replay".into(),
        _ => format!("the replays of {workers} workers"),
    }
}

/// What else helps.
fn advice(workers: usize) -> &'static str {
    if workers == 1 {
        ""
    } else {
        ", or run fewer workers"
    }
}

/// Refuses replays that do not fit into what the machine, and the container around this process,
/// have available. What replays of this process hold already counts as theirs.
///
/// # Errors
/// If `workers` such replays do not fit; says what would.
pub fn check(demand: &ReplayDemand, workers: usize) -> Result<(), ReplayTooLarge> {
    decide(
        demand,
        workers,
        available_bytes().saturating_add(held_bytes()),
    )
}

fn decide(demand: &ReplayDemand, workers: usize, available: u64) -> Result<(), ReplayTooLarge> {
    let needed = demand.bytes_per_worker as f64 * workers as f64;
    let available = available as f64 * SHARE;
    if needed <= available {
        return Ok(());
    }
    Err(ReplayTooLarge {
        key: demand.capacity_key,
        capacity: demand.capacity,
        fitting: (demand.capacity as f64 * (available / needed)) as usize,
        workers,
        needed_gb: needed / 1e9,
        available_gb: available / 1e9,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: ReplayDemand = ReplayDemand {
        bytes_per_worker: 7_000_000_000,
        capacity_key: "method.replay_capacity_env_steps",
        capacity: 1_000_000,
    };

    #[test]
    fn what_fits_is_let_through() {
        assert_eq!(decide(&DEMAND, 2, 16_000_000_000), Ok(()));
        assert!(decide(&DEMAND, 3, 16_000_000_000).is_err());
    }

    #[test]
    fn a_refusal_names_a_capacity_that_fits() {
        let error = decide(&DEMAND, 2, 10_000_000_000).unwrap_err();
        assert_eq!(error.fitting, 642_857);
        let text = error.to_string();
        assert!(
            text.contains("`method.replay_capacity_env_steps` = 1000000 needs 14.0 GB for the replays of 2 workers"),
            "{text}"
        );
        assert!(text.contains("has 9.0 GB left"), "{text}");
        let smaller = ReplayDemand {
            bytes_per_worker: DEMAND.bytes_per_worker * 642_857 / 1_000_000,
            ..DEMAND
        };
        assert_eq!(decide(&smaller, 2, 10_000_000_000), Ok(()));
    }

    #[test]
    fn no_machine_holds_everything() {
        let everything = ReplayDemand {
            bytes_per_worker: u64::MAX / 4,
            ..DEMAND
        };
        assert!(check(&everything, 1).is_err());
        let little = ReplayDemand {
            bytes_per_worker: 1,
            ..DEMAND
        };
        assert_eq!(check(&little, 2), Ok(()));
    }
}
