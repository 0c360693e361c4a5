//! Every field that a caller of a replay sends, and how it is set.

use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::{AppendOpen, Demand, DrawOpen, Priorities, SegmentChunk};
use troop_replay::codec::{encode_segment, settings_to_text};

use crate::fields::{Put, check_all_known};
use crate::replay_site::{RUN, segment, settings};

/// What one writer and one reader say, all of it right at first.
pub(crate) struct ReplayScene {
    pub(crate) append_open: AppendOpen,
    pub(crate) chunk: SegmentChunk,
    pub(crate) draw_open: DrawOpen,
    pub(crate) demand: Demand,
    pub(crate) priorities: Priorities,
}

impl ReplayScene {
    pub(crate) fn new() -> Self {
        let mut data = Vec::new();
        encode_segment(&segment(0), &settings(), &mut data).expect("it is a segment");
        Self {
            append_open: AppendOpen {
                protocol: PROTOCOL,
                run: RUN.into(),
                worker: "campaign".into(),
                settings: settings_to_text(&settings()).expect("TOML has such numbers"),
                environments: 1,
                life: 0,
                writer: 0,
                secret: 0,
            },
            chunk: SegmentChunk {
                sequence: 1,
                interrupted: false,
                offset_bytes: 0,
                total_bytes: data.len() as u64,
                data: data.into(),
            },
            draw_open: DrawOpen {
                protocol: PROTOCOL,
                run: RUN.into(),
                worker: "campaign".into(),
            },
            demand: Demand {
                demand: 1,
                items: 2,
                importance_exponent: 0.5,
                version: 1,
                seed: 1,
            },
            priorities: Priorities {
                life: 0,
                keys: vec![0, 1],
                td_errors: vec![1.0, 2.0],
            },
        }
    }

    /// The settings with a line of theirs replaced.
    fn setting(&mut self, key: &str, value: impl std::fmt::Display) {
        let settings = &mut self.append_open.settings;
        let lines = settings.lines().map(|line| match line.split_once(" = ") {
            Some((name, _)) if name == key => format!("{key} = {value}"),
            _ => line.to_owned(),
        });
        *settings = lines.collect::<Vec<_>>().join("\n");
    }

    /// A number in the segment's own bytes.
    fn in_segment(&mut self, at: usize, number: &[u8]) {
        let mut data = self.chunk.data.to_vec();
        // It may have been shortened.
        if let Some(place) = data.get_mut(at..at + number.len()) {
            place.copy_from_slice(number);
        }
        self.chunk.data = data.into();
    }
}

/// TOML has no numbers beyond that.
fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Each by its name in the contract.
pub(crate) const REPLAY_FIELDS: &[(&str, Put<ReplayScene>)] = &[
    (
        "AppendOpen.protocol",
        Put::Number(|it, n| it.append_open.protocol = n as u32),
    ),
    (
        "AppendOpen.run",
        Put::Text(|it, text| it.append_open.run = text),
    ),
    (
        "AppendOpen.worker",
        Put::Text(|it, text| it.append_open.worker = text),
    ),
    (
        "AppendOpen.settings",
        Put::Text(|it, text| it.append_open.settings = text),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("bytes", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("stack", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("state_len", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("most_environments", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("most_env_steps_per_append", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("most_items_per_draw", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("env_steps", whole(n))),
    ),
    (
        "AppendOpen.settings",
        Put::Number(|it, n| it.setting("shape", format!("[{}, 2]", whole(n)))),
    ),
    (
        "AppendOpen.environments",
        Put::Number(|it, n| it.append_open.environments = n as u32),
    ),
    (
        "AppendOpen.life",
        Put::Number(|it, n| it.append_open.life = n),
    ),
    (
        "AppendOpen.writer",
        Put::Number(|it, n| it.append_open.writer = n),
    ),
    (
        "AppendOpen.secret",
        Put::Number(|it, n| it.append_open.secret = n),
    ),
    (
        "SegmentChunk.sequence",
        Put::Number(|it, n| it.chunk.sequence = n),
    ),
    (
        "SegmentChunk.interrupted",
        Put::Number(|it, n| it.chunk.interrupted = n > 0),
    ),
    (
        "SegmentChunk.offset_bytes",
        Put::Number(|it, n| it.chunk.offset_bytes = n),
    ),
    (
        "SegmentChunk.total_bytes",
        Put::Number(|it, n| it.chunk.total_bytes = n),
    ),
    (
        "SegmentChunk.data",
        Put::Length(|it, n| {
            it.chunk.data = vec![0x3c; n].into();
            it.chunk.total_bytes = n as u64;
        }),
    ),
    // Environments, env steps, version, the first reward.
    (
        "SegmentChunk.data",
        Put::Number(|it, n| it.in_segment(0, &(n as u32).to_le_bytes())),
    ),
    (
        "SegmentChunk.data",
        Put::Number(|it, n| it.in_segment(4, &(n as u32).to_le_bytes())),
    ),
    (
        "SegmentChunk.data",
        Put::Number(|it, n| it.in_segment(8, &n.to_le_bytes())),
    ),
    (
        "SegmentChunk.data",
        Put::Real(|it, x| it.in_segment(16, &(x as f32).to_le_bytes())),
    ),
    (
        "DrawOpen.protocol",
        Put::Number(|it, n| it.draw_open.protocol = n as u32),
    ),
    (
        "DrawOpen.run",
        Put::Text(|it, text| it.draw_open.run = text),
    ),
    (
        "DrawOpen.worker",
        Put::Text(|it, text| it.draw_open.worker = text),
    ),
    ("Demand.demand", Put::Number(|it, n| it.demand.demand = n)),
    (
        "Demand.items",
        Put::Number(|it, n| it.demand.items = n as u32),
    ),
    (
        "Demand.importance_exponent",
        Put::Real(|it, x| it.demand.importance_exponent = x),
    ),
    ("Demand.version", Put::Number(|it, n| it.demand.version = n)),
    ("Demand.seed", Put::Number(|it, n| it.demand.seed = n)),
    (
        "Priorities.life",
        Put::Number(|it, n| it.priorities.life = n),
    ),
    (
        "Priorities.keys",
        Put::Count(|it, n| {
            it.priorities.keys = vec![u64::MAX; n];
            it.priorities.td_errors = vec![1.0; n];
        }),
    ),
    (
        "Priorities.keys",
        Put::Count(|it, n| it.priorities.keys = vec![7; n]),
    ),
    (
        "Priorities.td_errors",
        Put::Real(|it, x| it.priorities.td_errors = vec![x as f32; 2]),
    ),
];

#[test]
fn every_field_that_a_caller_of_a_replay_sends_is_in_the_table() {
    let messages = [
        "AppendRequest",
        "AppendOpen",
        "SegmentChunk",
        "DrawRequest",
        "DrawOpen",
        "Demand",
        "Priorities",
        "ReplayStatusRequest",
    ];
    // Which of them a stream's message is makes a scene.
    let known = |field: &str| {
        field.starts_with("AppendRequest.")
            || field.starts_with("DrawRequest.")
            || REPLAY_FIELDS.iter().any(|(name, _)| *name == field)
    };
    check_all_known("replay", &messages, known);
}
