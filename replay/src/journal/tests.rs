use std::fs;
use std::path::Path;

use prometheus::{IntCounter, IntGauge};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_common::wire::Rope;

use super::*;
use crate::codec::{encode_segment, settings_to_text};
use crate::replay::{Replay, WriterId};
use crate::settings::{ItemKind, Pace, ReplaySettings, SamplesPerInsert, TableKind};

const STEPS: usize = 5;

fn settings(items: ItemKind) -> ReplaySettings {
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![1],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 2 },
        },
        stack: 1,
        behaviour_len: 0,
        state_len: 0,
        most_environments: 2,
        most_environments_per_writer: 1,
        most_env_steps_per_append: STEPS,
        most_items_per_draw: 64,
        bytes: 200_000,
        max_age_versions: 0,
        items,
        table: TableKind::Uniform {
            pace: Pace {
                start_env_steps: 10,
                samples_per_insert: Some(SamplesPerInsert {
                    ratio: 1.0,
                    band_env_steps: 400.0,
                }),
            },
        },
    }
}

fn unrolls() -> ReplaySettings {
    settings(ItemKind::Unrolls { env_steps: 4 })
}

/// Segment `number` of a writer; every third ends an episode.
fn segment(writer: usize, number: usize) -> Segment {
    let mut segment = Segment::new(1, &unrolls().spaces);
    let shown = |step: usize| (1000 * writer + STEPS * number + step) as f32;
    let steps: Vec<f32> = (0..STEPS).map(shown).collect();
    segment.observations.extend(Observations::F32(&steps), None);
    let behind = [shown(STEPS)];
    let behind = Observations::F32(&behind);
    segment.bootstrap_observations.extend(behind, None);
    segment.rewards = steps;
    segment.ends = vec![End::Continues; STEPS];
    if number % 3 == 2 {
        segment.ends[3] = End::Terminated;
    }
    segment.actions = Actions::Discrete(vec![1; STEPS]);
    segment
}

/// A replay in one of its lives.
struct Life {
    replay: Replay,
    settings: ReplaySettings,
    journal: Journal,
    failures: IntCounter,
    life: u64,
    writers: Vec<WriterId>,
}

impl Life {
    fn begin(directory: &Path, settings: ReplaySettings, life: u64) -> Self {
        let replay = Replay::new(settings.clone()).unwrap();
        if let Some(past) = Past::find(directory).unwrap() {
            Refill::of(&replay, &settings).run(&past).unwrap();
        }
        let head = Head {
            run: "run".into(),
            settings: settings_to_text(&settings).unwrap(),
        };
        let limits = Limits {
            env_steps: replay.counts().env_steps_limit,
            bytes: settings.bytes,
        };
        let failures = IntCounter::new("failures", "failures").unwrap();
        let gauges = JournalGauges {
            bytes: IntGauge::new("bytes", "bytes").unwrap(),
            failures: failures.clone(),
        };
        Self {
            journal: Journal::new(directory, head, limits, gauges).unwrap(),
            writers: (0..2).map(|_| replay.join(1).unwrap()).collect(),
            failures,
            replay,
            settings,
            life,
        }
    }

    fn add(&mut self, writer: usize, number: usize) {
        let (segment, id) = (segment(writer, number), self.writers[writer]);
        let mut bytes = Vec::new();
        encode_segment(&segment, &self.settings, &mut bytes).unwrap();
        let sequence = number as u64 + 1;
        self.replay.append(id, sequence, &segment).unwrap();
        let entry = Entry {
            life: self.life,
            writer: id.0,
            environments: 1,
            sequence,
            env_steps: STEPS as u32,
            interrupted: false,
        };
        self.journal.append(&entry, &Rope::from(bytes));
    }

    fn fill(&mut self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.add(number % 2, number / 2);
        }
    }

    /// Everybody leaves; what is then drawn, with its keys.
    fn end(self) -> String {
        self.writers.iter().for_each(|id| self.replay.leave(*id));
        drawn(&self.replay)
    }
}

fn drawn(replay: &Replay) -> String {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let drawn = replay.draw(64, 0.0, &mut rng).unwrap();
    format!("{} {drawn:?}", replay.counts().items_held)
}

#[test]
fn a_replay_that_begins_again_holds_the_same() {
    let transitions = ItemKind::Transitions {
        n_step: 3,
        discount: 0.9,
    };
    for items in [ItemKind::Unrolls { env_steps: 4 }, transitions] {
        let directory = TempDir::new().unwrap();
        let mut first = Life::begin(directory.path(), settings(items), 1);
        first.fill(0..60);
        let held = first.end();
        assert!(held.contains("Some"), "{held}");
        let second = Life::begin(directory.path(), settings(items), 2);
        assert_eq!(second.replay.counts().env_steps_inserted, 0);
        assert_eq!(drawn(&second.replay), held);
    }
}

#[test]
fn nobody_waits_because_of_what_an_earlier_life_added() {
    let directory = TempDir::new().unwrap();
    Life::begin(directory.path(), unrolls(), 1).fill(0..120);
    let again = Life::begin(directory.path(), unrolls(), 2);
    assert!(again.replay.is_drawable(64).unwrap());
    assert!(again.replay.reserve(again.writers[0], STEPS).unwrap());
}

#[test]
fn writers_of_several_lives_are_not_taken_for_each_other() {
    let directory = TempDir::new().unwrap();
    let mut held = Vec::new();
    for life in 1..4 {
        let mut life = Life::begin(directory.path(), unrolls(), life);
        life.fill(0..20);
        held.push(life.replay.counts().items_held);
    }
    let items = Life::begin(directory.path(), unrolls(), 4).end();
    let items: u64 = items.split(' ').next().unwrap().parse().unwrap();
    assert!(held[0] < held[1] && held[1] < held[2], "{held:?}");
    assert!(items >= held[2], "{items} of {held:?}");
}

#[test]
fn a_file_that_was_cut_off_or_damaged_ends_there() {
    let count = |directory: &TempDir| {
        let mut count = 0;
        let past = Past::find(directory.path()).unwrap().unwrap();
        past.read(|_, _| {
            count += 1;
            Ok(())
        })
        .unwrap();
        count
    };
    let directory = TempDir::new().unwrap();
    Life::begin(directory.path(), unrolls(), 1).fill(0..10);
    assert_eq!(count(&directory), 10);
    let file = directory.path().join("0000000001.journal");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    assert_eq!(count(&directory), 9);
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    fs::write(&file, &damaged).unwrap();
    assert!((1..9).contains(&count(&directory)));
    // A record of four gigabytes.
    let no_record = [&whole[..], &[0xff; 16]].concat();
    fs::write(&file, &no_record).unwrap();
    assert_eq!(count(&directory), 10);
}

#[test]
fn files_that_are_not_needed_go_and_what_fills_the_replay_stays() {
    let directory = TempDir::new().unwrap();
    let mut life = Life::begin(directory.path(), unrolls(), 1);
    let limit = life.replay.counts().env_steps_limit as usize;
    let segments = 4 * limit / STEPS;
    life.fill(0..segments / 2);
    // Whoever removes a file stops nothing.
    let oldest = fs::read_dir(directory.path())
        .unwrap()
        .map(|file| file.unwrap().path());
    fs::remove_file(oldest.min().unwrap()).unwrap();
    life.fill(segments / 2..segments);
    assert_eq!(life.failures.get(), 0);
    let held = life.end();
    let mut kept = 0;
    let past = Past::find(directory.path()).unwrap().unwrap();
    past.read(|entry, _| {
        kept += entry.env_steps as usize;
        Ok(())
    })
    .unwrap();
    let most = limit + limit / 2 + STEPS;
    assert!((limit..most).contains(&kept), "{kept} of {limit}");
    let again = Life::begin(directory.path(), unrolls(), 2);
    let items = |held: &str| held.split(' ').next().unwrap().parse::<u64>().unwrap();
    // What it begins with may be the middle of an unroll.
    assert!(items(&drawn(&again.replay)).abs_diff(items(&held)) <= 2);
}

#[test]
fn what_cannot_be_written_is_counted_and_holds_nobody_up() {
    let directory = TempDir::new().unwrap();
    let mut life = Life::begin(&directory.path().join("journal"), unrolls(), 1);
    fs::remove_dir(directory.path().join("journal")).unwrap();
    life.fill(0..10);
    assert_eq!(life.replay.counts().segments_inserted, 10);
    assert_eq!(life.failures.get(), 1, "the next try is later");
}

#[test]
fn other_files_are_no_journal() {
    let directory = TempDir::new().unwrap();
    let path = directory.path();
    fs::write(path.join("0000000007.journal"), "not one").unwrap();
    fs::write(path.join("notes.txt"), "nor this").unwrap();
    assert!(Past::find(path).unwrap().is_none());
    assert!(Past::find(&path.join("nothing")).unwrap().is_none());
    Life::begin(path, unrolls(), 1).fill(0..4);
    assert!(path.join("0000000008.journal").exists());
    assert_eq!(Past::find(path).unwrap().unwrap().head.run, "run");
}
