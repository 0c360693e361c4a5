use super::*;
use crate::ledger::counters::Counters;
use std::fs;
use troop_common::layout::{Initializer, TensorSpec};
use troop_common::moments::Moments;

/// A checkpoint with everything that one may have.
pub(crate) fn checkpoint(epoch: u64, version: u64) -> Checkpoint {
    let spec = |name: &str, shape: &[usize]| TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
        initializer: Initializer::Zeros,
    };
    Checkpoint {
        state: CheckpointState {
            epoch,
            version,
            counters: Counters {
                env_steps: 77,
                ..Counters::default()
            },
            layout: Layout::new(vec![spec("b.weight", &[2, 2]), spec("a.bias", &[1])]).unwrap(),
            target_taken_at_version: Some(3),
        },
        parameters: vec![1.0, 2.0, 3.0, 4.0, version as f32],
        optimizer: BTreeMap::from([("square_average".into(), vec![0.1, 0.2, 0.3, 0.4, 0.5])]),
        target: Some(Arc::new(vec![5.0, 4.0, 3.0, 2.0, 1.0])),
        observations: Some(Moments::from_parts(9, vec![0.1, -7.0], vec![1.0 / 3.0, 0.0]).unwrap()),
    }
}

#[test]
fn observations_before_the_first_report_are_kept_too() {
    for observations in [None, Some(Moments::default())] {
        let directory = tempfile::tempdir().unwrap();
        let checkpoint = Checkpoint {
            observations,
            ..checkpoint(2, 1)
        };
        checkpoint.write_files(directory.path()).unwrap();
        assert_eq!(Checkpoint::read(directory.path()).unwrap(), checkpoint);
    }
}

#[test]
fn every_changed_byte_is_damage() {
    for file in [WEIGHTS, OPTIMIZER, TARGET, OBSERVATIONS, STATE, MANIFEST] {
        let directory = tempfile::tempdir().unwrap();
        checkpoint(2, 1).write_files(directory.path()).unwrap();
        let mut bytes = fs::read(directory.path().join(file)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x10;
        fs::write(directory.path().join(file), &bytes).unwrap();
        let error = Checkpoint::read(directory.path()).unwrap_err();
        assert!(error.is_damage(), "{file}: {error}");
    }
}

#[test]
fn a_truncated_or_missing_file_is_damage_and_one_that_cannot_be_read_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    checkpoint(2, 1).write_files(path).unwrap();
    let weights = File::options().write(true).open(path.join(WEIGHTS));
    weights.unwrap().set_len(10).unwrap();
    assert!(Checkpoint::read(path).unwrap_err().is_damage());
    fs::remove_file(path.join(WEIGHTS)).unwrap();
    assert!(Checkpoint::read(path).unwrap_err().is_damage());
    fs::create_dir(path.join(WEIGHTS)).unwrap();
    assert!(!Checkpoint::read(path).unwrap_err().is_damage());
}
