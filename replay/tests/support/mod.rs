//! Segments of vectors, and settings for them.

use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{ItemKind, Pace, ReplaySettings, TableKind};

pub(crate) const FREE: Pace = Pace {
    start_env_steps: 0,
    samples_per_insert: None,
};

pub(crate) fn spaces() -> Spaces {
    Spaces {
        observation: ObservationSpace {
            shape: vec![1],
            element: ElementType::F32,
        },
        action: ActionSpace::Discrete { n: 2 },
    }
}

pub(crate) fn settings(items: ItemKind, table: TableKind) -> ReplaySettings {
    ReplaySettings {
        spaces: spaces(),
        stack: 1,
        behaviour_len: 0,
        state_len: 0,
        most_environments: 4,
        most_environments_per_writer: 2,
        most_env_steps_per_append: 5,
        most_items_per_draw: 4,
        bytes: 1_000_000,
        max_age_versions: 0,
        items,
        table,
    }
}

/// `steps` steps of one environment, which shows numbers from `first` on and gives them as rewards.
pub(crate) fn segment(first: usize, steps: usize) -> Segment {
    let mut segment = Segment::new(1, &spaces());
    for number in first..first + steps {
        let shown = [number as f32];
        segment.observations.extend(Observations::F32(&shown), None);
        segment.rewards.push(number as f32);
    }
    segment.ends = vec![End::Continues; steps];
    segment.actions = Actions::Discrete(vec![0; steps]);
    let last = [(first + steps) as f32];
    let last = Observations::F32(&last);
    segment.bootstrap_observations.extend(last, None);
    segment
}
