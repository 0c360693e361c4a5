//! Experience as bytes: segments on their way to a replay, draws on their way from it, and the settings that both follow.

use std::sync::OnceLock;

use troop_common::experience::Segment;
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_common::wire::{AppendMessage, DrawMessage, DrawnMessage, Parts};
use troop_replay::codec::{
    decode_drawn, decode_segment, encode_drawn, encode_segment, settings_from_text,
    settings_to_text,
};
use troop_replay::{ItemKind, Pace, Replay, ReplaySettings, TableKind};

use super::bytes_in::{BytesIn, cut};

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    let mut input = BytesIn(data);
    let (kind, piece) = (input.byte(), input.byte());
    let settings = settings(kind);
    match kind / 8 % 4 {
        0 => read_segment(input.0, piece, settings),
        1 => read_draw(input.0, piece, settings),
        2 => read_messages(&mut input, piece),
        _ => read_settings(input.0),
    }
}

/// What is read is written as the same again, and the replay takes it or says why not.
fn read_segment(bytes: &[u8], piece: usize, settings: &ReplaySettings) {
    let mut segment = Segment::new(2, &settings.spaces);
    if decode_segment(cut(bytes, piece), settings, 2, &mut segment).is_err() {
        return;
    }
    let mut again = Vec::new();
    if encode_segment(&segment, settings, &mut again).is_ok() {
        let mut second = Segment::new(2, &settings.spaces);
        decode_segment(cut(&again, 0), settings, 2, &mut second).expect("it was written");
        assert_eq!(segment.rewards, second.rewards);
        assert_eq!(
            segment.observations.all_bytes(),
            second.observations.all_bytes()
        );
    }
    let replay = Replay::new(settings.clone()).expect("there can be such a replay");
    let writer = replay.join(2).expect("there is room");
    // It may refuse it.
    let _ = replay.append(writer, 1, &segment);
}

fn read_draw(bytes: &[u8], piece: usize, settings: &ReplaySettings) {
    if let Ok(drawn) = decode_drawn(cut(bytes, piece), settings) {
        let mut again = Vec::new();
        encode_drawn(&drawn, settings, &mut again);
        let second = decode_drawn(cut(&again, 0), settings).expect("it was written");
        assert_eq!(drawn.keys(), second.keys());
        assert_eq!(drawn.env_steps(), second.env_steps());
    }
}

/// The messages that carry it.
fn read_messages(input: &mut BytesIn<'_>, piece: usize) {
    let mut parts = Parts::default();
    while !input.is_empty() {
        let message = input.part();
        if let Ok(AppendMessage::Segment(chunk, data)) = AppendMessage::read(cut(message, piece)) {
            let place = (chunk.offset_bytes, chunk.total_bytes);
            let whole = parts.accept(place, 1 << 16, data);
            if let Ok(Some(bytes)) = whole {
                assert_eq!(bytes.len() as u64, chunk.total_bytes);
            }
        }
        let _ = DrawMessage::read(cut(message, piece));
        let _ = DrawnMessage::read(cut(message, piece));
    }
}

fn read_settings(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Ok(settings) = settings_from_text(text) {
        let again = settings_to_text(&settings).expect("it has been TOML");
        assert!(settings_from_text(&again).is_ok(), "{again}");
    }
}

/// One of eight kinds of experience.
fn settings(kind: usize) -> &'static ReplaySettings {
    static ALL: OnceLock<Vec<ReplaySettings>> = OnceLock::new();
    let all = ALL.get_or_init(|| (0..8).map(of_kind).collect());
    &all[kind % all.len()]
}

fn of_kind(kind: usize) -> ReplaySettings {
    let element = [ElementType::U8, ElementType::F32][kind % 2];
    let stretches = kind / 2 % 2 == 1;
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![2, 20],
                element,
            },
            action: ActionSpace::Discrete { n: 3 },
        },
        stack: [1, 2][kind / 4],
        behaviour_len: 1,
        state_len: if stretches { 2 } else { 0 },
        most_environments: 2,
        most_environments_per_writer: 2,
        most_env_steps_per_append: 8,
        most_items_per_draw: 4,
        bytes: 100_000,
        max_age_versions: 0,
        items: if stretches {
            ItemKind::Sequences {
                env_steps: 3,
                overlap: 1,
                burn_in: 1,
            }
        } else {
            ItemKind::Transitions {
                n_step: 2,
                discount: 0.9,
            }
        },
        table: TableKind::Uniform {
            pace: Pace {
                start_env_steps: 0,
                samples_per_insert: None,
            },
        },
    }
}
