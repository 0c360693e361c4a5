//! Segments that a replay is not made for.

mod support;

use support::{FREE, segment, settings, spaces};
use troop_common::experience::{
    Actions, End, ObservationBuffer, Observations, RecurrentState, Segment,
};
use troop_common::spaces::{ElementType, ObservationSpace};
use troop_replay::{Appended, ItemKind, Replay, ReplaySettings, TableKind};

const UNROLLS: ItemKind = ItemKind::Unrolls { env_steps: 4 };
const UNIFORM: TableKind = TableKind::Uniform { pace: FREE };

/// What is said of a good segment that was changed.
fn said(settings: ReplaySettings, change: impl FnOnce(&mut Segment)) -> String {
    let replay = Replay::new(settings).expect("what it is made for");
    let writer = replay.join(1).expect("a place");
    let mut segment = segment(0, 3);
    change(&mut segment);
    let error = replay
        .append(writer, 0, &segment)
        .expect_err("refused")
        .to_string();
    assert_eq!(replay.counts().env_steps_inserted, 0);
    // What was refused left no trace: the same number may come again.
    let good = support::segment(0, 3);
    let expected = Appended::Added {
        items: 0,
        gap: false,
    };
    if replay.append(writer, 0, &good) != Ok(expected) {
        assert!(
            error.contains("state") || error.contains("behaviour"),
            "{error}"
        );
    }
    error
}

fn refused(change: impl FnOnce(&mut Segment)) -> String {
    said(settings(UNROLLS, UNIFORM), change)
}

#[test]
fn a_segment_that_does_not_fit_is_refused_with_what_was_expected() {
    assert_eq!(
        refused(|s| s.environments = 3),
        "environments of a segment: expected 1, found 3"
    );
    assert_eq!(
        refused(|s| s.rewards[1] = f32::NAN),
        "rewards of a segment: expected finite numbers, found NaN in row 1"
    );
    assert_eq!(
        refused(|s| *s = segment(0, 6)),
        "env steps of a segment: expected at most 5, found 6"
    );
    assert_eq!(
        refused(|s| s.behaviour = vec![0.5; 6]),
        "behaviour of a segment: expected 0, found 6"
    );
    assert_eq!(
        refused(|s| s.ends[1] = End::Truncated),
        "final observations of a segment: expected 1 of 1 elements, found 0 elements"
    );
    assert_eq!(
        refused(|s| s.bootstrap_observations.clear()),
        "bootstrap observations of a segment: expected 1 of 1 elements, found 0 elements"
    );
    let pixels = ObservationSpace {
        shape: vec![1],
        element: ElementType::U8,
    };
    assert_eq!(
        refused(|s| s.observations = ObservationBuffer::new(&pixels)),
        "observations of a segment: expected [1] of F32, found [1] of U8"
    );
    for actions in [
        Actions::Discrete(vec![0, 2, 0]),
        Actions::Discrete(vec![0, -1, 0]),
        Actions::Discrete(vec![0]),
        Actions::Continuous(vec![0.0; 3]),
    ] {
        let text = refused(|s| s.actions = actions);
        assert!(
            text.starts_with("actions of a segment: expected one of Discrete"),
            "{text}"
        );
    }
    let text = refused(|s| s.ends.truncate(2));
    assert_eq!(text, "ends of a segment: expected 3, found 2");
    let text = refused(|s| *s = Segment::new(1, &spaces()));
    assert!(text.contains("a multiple of 1 above 0, found 0"), "{text}");
}

#[test]
fn masks_come_with_all_observations_or_with_none() {
    let text = refused(|s| {
        s.bootstrap_observations.clear();
        let shown = Observations::F32(&[3.0]);
        s.bootstrap_observations.extend(shown, Some(&[true, false]));
    });
    assert_eq!(
        text,
        "masks of observations of a segment: expected 0, found 2"
    );
}

#[test]
fn recurrent_states_are_there_where_items_begin() {
    let recurrent = || ReplaySettings {
        state_len: 2,
        ..settings(UNROLLS, UNIFORM)
    };
    let state = RecurrentState::new(1, 2);
    let text = said(recurrent(), |s| s.initial_state = RecurrentState::new(1, 3));
    assert_eq!(text, "initial state of a segment: expected 2, found 3");
    let replay = Replay::new(recurrent()).unwrap();
    let writer = replay.join(1).unwrap();
    let mut segment = segment(0, 3);
    segment.initial_state = state;
    assert!(replay.append(writer, 0, &segment).is_ok());
    let text = replay.append(writer, 1, &segment).unwrap_err().to_string();
    assert_eq!(
        text,
        "recurrent states of a segment: expected the state before each step, or segments that end where unrolls do, found none"
    );
    segment.states = vec![0.0; 6];
    assert!(replay.append(writer, 1, &segment).is_ok());
}
