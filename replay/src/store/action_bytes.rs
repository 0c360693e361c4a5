//! Actions of one environment as bytes, of this machine's order.

use troop_common::experience::Actions;
use troop_common::spaces::ActionSpace;

/// Bytes of one action.
pub(crate) fn len(space: &ActionSpace) -> usize {
    match space {
        ActionSpace::Discrete { .. } => size_of::<i64>(),
        ActionSpace::MultiDiscrete { n } => n.len() * size_of::<i64>(),
        ActionSpace::Box { low, .. } => low.len() * size_of::<f32>(),
    }
}

/// Appends the action of one row out of `rows`.
pub(crate) fn write(actions: &Actions, row: usize, rows: usize, bytes: &mut Vec<u8>) {
    match actions {
        Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
            let len = all.len() / rows;
            let numbers = all[row * len..(row + 1) * len].iter();
            bytes.extend(numbers.flat_map(|number| number.to_ne_bytes()));
        }
        Actions::Continuous(all) => {
            let len = all.len() / rows;
            let numbers = all[row * len..(row + 1) * len].iter();
            bytes.extend(numbers.flat_map(|number| number.to_ne_bytes()));
        }
    }
}

/// Appends an action of the same kind out of its bytes.
pub(crate) fn read(bytes: &[u8], actions: &mut Actions) {
    match actions {
        Actions::Discrete(all) | Actions::MultiDiscrete(all) => {
            let numbers = bytes.as_chunks().0.iter();
            all.extend(numbers.map(|number| i64::from_ne_bytes(*number)));
        }
        Actions::Continuous(all) => {
            let numbers = bytes.as_chunks().0.iter();
            all.extend(numbers.map(|number| f32::from_ne_bytes(*number)));
        }
    }
}
