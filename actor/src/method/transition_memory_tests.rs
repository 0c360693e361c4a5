use super::*;
use crate::method::testing::{one_hot, seeded, segment_of, setting};
use troop_common::experience::End;
use troop_common::experiment::Experiment;

fn memory(settings: &DqnSettings) -> TransitionMemory {
    let mut experiment = Experiment::default();
    experiment.environment.envs_per_worker = 1;
    TransitionMemory::new(
        settings,
        &mut setting(&experiment, &one_hot(4), &mut seeded(1)),
    )
}

#[test]
fn the_importance_exponent_is_annealed_over_the_runs_frames() {
    let settings = DqnSettings {
        importance_exponent_initial: 0.4,
        importance_exponent_final: 1.0,
        importance_anneal_frames: 1_000,
        ..DqnSettings::default()
    };
    for (frames, expected) in [(0, 0.4), (500, 0.7), (1_000, 1.0), (9_000, 1.0)] {
        assert!((importance_exponent(&settings, frames) - expected).abs() < 1e-9);
    }
}

#[test]
fn a_reset_breaks_episodes_off() {
    let mut memory = memory(&DqnSettings {
        n_step: 3,
        ..DqnSettings::default()
    });
    let steps = [(0, 1.0, End::Continues), (0, 1.0, End::Continues)];
    memory.append(&mut segment_of(&[0, 1, 2], 4, &steps));
    memory.interrupted();
    memory.append(&mut segment_of(&[2, 3, 0], 4, &steps));
    let len = |memory: &TransitionMemory| memory.replay.as_ref().unwrap().len();
    assert_eq!(len(&memory), 0, "no three steps in a row");
    memory.append(&mut segment_of(&[0, 1, 2], 4, &steps));
    assert_eq!(len(&memory), 2);
}
