//! Who waits for whom, with real threads.

mod support;

use std::pin::pin;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use support::{FREE, segment, settings};
use troop_replay::{
    DrawnItems, ItemKind, Pace, RateRefused, Replay, ReplayError, ReplayRefused, SamplesPerInsert,
    TableKind, Wait,
};

const UNROLLS: ItemKind = ItemKind::Unrolls { env_steps: 5 };

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(20)
}

/// Never reached unless something hangs.
fn late() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn queue(queue_items: usize) -> Replay {
    Replay::new(settings(UNROLLS, TableKind::Fifo { queue_items })).expect("what it is made for")
}

/// Adds `count` segments of five steps, each once it may.
fn produce(replay: &Replay, count: usize) {
    let writer = replay.join(1).expect("a place");
    for i in 0..count {
        let wait = replay
            .wait_until_appendable(writer, 5, late())
            .expect("what it is made for");
        assert_eq!(wait, Wait::Ready);
        replay
            .append(writer, i as u64, &segment(5 * i, 5))
            .expect("a segment that fits");
    }
    replay.leave(writer);
}

/// Draws pairs of unrolls until the replay is closed; the first rewards of what it got.
fn consume(replay: &Replay, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut got = Vec::new();
    while replay
        .wait_until_drawable(2, late())
        .expect("what it is made for")
        == Wait::Ready
    {
        let Some(drawn) = replay.draw(2, 0.0, &mut rng).expect("what it is made for") else {
            continue;
        };
        let DrawnItems::Stretches(stretches) = drawn.items else {
            panic!("unrolls");
        };
        got.extend_from_slice(&stretches.segment.rewards[..2]);
    }
    got
}

#[test]
fn a_queue_gives_each_unroll_to_one_of_its_readers_and_stays_short() {
    let replay = queue(7);
    let got = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for seed in 0..2 {
            let (replay, got) = (&replay, &got);
            scope.spawn(move || got.lock().unwrap().extend(consume(replay, seed)));
        }
        let writers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| produce(&replay, 500)))
            .collect();
        for _ in 0..200 {
            assert!(replay.counts().items_held <= 7);
            thread::yield_now();
        }
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        while replay.counts().items_held > 0 {
            thread::yield_now();
        }
        replay.close();
    });
    let mut got = got.into_inner().unwrap();
    got.sort_by(f32::total_cmp);
    let expected: Vec<f32> = (0..500).flat_map(|i| [(5 * i) as f32; 4]).collect();
    assert_eq!(got, expected);
    let counts = replay.counts();
    assert_eq!(counts.items_evicted_undrawn, 0);
    assert_eq!((counts.appends_waiting, counts.draws_waiting), (0, 0));
}

#[test]
fn both_sides_keep_the_rate() {
    let ratio = 4.0;
    let band = 20.0;
    let pace = Pace {
        start_env_steps: 50,
        samples_per_insert: Some(SamplesPerInsert {
            ratio,
            band_env_steps: band,
        }),
    };
    let replay = Replay::new(settings(UNROLLS, TableKind::Uniform { pace })).unwrap();
    thread::scope(|scope| {
        let reader = scope.spawn(|| consume(&replay, 1));
        let writers: Vec<_> = (0..3)
            .map(|_| scope.spawn(|| produce(&replay, 400)))
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        while replay.is_drawable(2).unwrap() {
            thread::yield_now();
        }
        replay.close();
        reader.join().unwrap();
    });
    let counts = replay.counts();
    let off = (counts.env_steps_inserted - 50) as f64 * ratio - counts.env_steps_drawn as f64;
    assert!(off.abs() <= band, "{off} off");
    assert!(counts.appends_held_back > 0 && counts.append_wait > Duration::ZERO);
}

#[test]
fn waits_end_in_time_and_when_it_is_closed() {
    let replay = queue(7);
    let writer = replay.join(1).unwrap();
    assert_eq!(replay.wait_until_drawable(1, soon()), Ok(Wait::TimedOut));
    let counts = replay.counts();
    assert_eq!((counts.draws_held_back, counts.draws_waiting), (1, 0));
    assert!(counts.draw_wait >= Duration::from_millis(15));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| replay.wait_until_drawable(1, late()));
        while replay.counts().draws_waiting == 0 {
            thread::yield_now();
        }
        let mut changed = pin!(replay.changes().notified());
        replay.close();
        assert_eq!(waiting.join().unwrap(), Ok(Wait::Closed));
        assert!(changed.as_mut().enable(), "who waits is woken");
    });
    let appended = replay.append(writer, 0, &segment(0, 5));
    assert_eq!(appended, Err(ReplayError::Closed));
    assert_eq!(replay.join(1), Err(ReplayError::Closed));
    assert_eq!(
        replay.wait_until_appendable(writer, 5, late()),
        Ok(Wait::Closed)
    );
}

#[test]
fn leave_to_add_is_kept_for_who_has_it_until_it_leaves() {
    let replay = queue(8);
    let writers: Vec<_> = (0..3).map(|_| replay.join(1).unwrap()).collect();
    for i in 0..7 {
        replay.append(writers[0], i, &segment(0, 5)).unwrap();
    }
    assert_eq!(replay.reserve(writers[1], 5), Ok(true));
    assert_eq!(
        replay.reserve(writers[1], 5),
        Ok(true),
        "it has leave already"
    );
    assert_eq!(
        replay.reserve(writers[2], 5),
        Ok(false),
        "the last place is taken"
    );
    replay.leave(writers[1]);
    assert_eq!(replay.reserve(writers[2], 5), Ok(true));
    let gone = replay.reserve(writers[1], 5);
    assert_eq!(gone, Err(ReplayError::NoSuchWriter(writers[1])));
}

#[test]
fn more_than_it_is_made_for_is_refused() {
    let replay = queue(8);
    let writer = replay.join(1).unwrap();
    let text = |error: ReplayError| error.to_string();
    let too_many = replay.is_drawable(5).map_err(text);
    assert_eq!(too_many, Err("5 items at once: expected 1 to 4".into()));
    let too_many = replay.reserve(writer, 6).map_err(text);
    assert_eq!(too_many, Err("6 env steps at once: expected 1 to 5".into()));
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    assert!(replay.draw(5, 0.0, &mut rng).is_err());
    let too_many = replay.join(3).map_err(text);
    let expected = "3 environments of a writer: expected 1 to 2";
    assert_eq!(too_many, Err(expected.into()));
    replay.join(2).unwrap();
    let full = replay.join(2).unwrap_err().to_string();
    assert!(full.contains("room for 1 of 4"), "{full}");
}

#[test]
fn nobody_is_held_back_while_there_is_nothing_to_draw() {
    let pace = Pace {
        start_env_steps: 1,
        samples_per_insert: Some(SamplesPerInsert {
            ratio: 1.0,
            band_env_steps: 40.0,
        }),
    };
    let items = ItemKind::Unrolls { env_steps: 10 };
    let replay = Replay::new(settings(items, TableKind::Uniform { pace })).unwrap();
    let writers: Vec<_> = (0..4).map(|_| replay.join(1).unwrap()).collect();
    for first in [0, 1] {
        for writer in &writers {
            assert_eq!(replay.reserve(*writer, 4), Ok(true));
            replay
                .append(*writer, first, &segment(4 * first as usize, 4))
                .unwrap();
        }
    }
    // 32 steps and no unroll yet: 41 steps would be beyond the band.
    for writer in &writers {
        assert_eq!(replay.reserve(*writer, 4), Ok(true));
    }
}

#[test]
fn what_can_never_be_satisfied_is_refused_when_it_is_made() {
    let made = |items, table| Replay::new(settings(items, table)).map(|_| ());
    let pace = |start_env_steps, band_env_steps| Pace {
        start_env_steps,
        samples_per_insert: Some(SamplesPerInsert {
            ratio: 2.0,
            band_env_steps,
        }),
    };
    let table = |start, band| TableKind::Uniform {
        pace: pace(start, band),
    };
    // Four unrolls of five steps; an append of five steps is drawn ten times.
    assert_eq!(made(UNROLLS, table(0, 20.0)), Ok(()));
    let narrow = made(UNROLLS, table(0, 19.0));
    assert!(matches!(
        narrow,
        Err(ReplayRefused::Rate(RateRefused::Band { needed: 20.0, .. }))
    ));
    let late = made(UNROLLS, table(1_000_000, 20.0));
    let Err(ReplayRefused::AboveCapacity { needed, .. }) = late else {
        panic!("{late:?}");
    };
    let enough = settings(UNROLLS, table(1_000_000, 20.0));
    let enough = troop_replay::ReplaySettings {
        bytes: needed,
        ..enough
    };
    assert!(Replay::new(enough).is_ok());
    let queue = made(
        UNROLLS,
        TableKind::Fifo {
            queue_items: 1_000_000,
        },
    );
    assert!(
        queue
            .unwrap_err()
            .to_string()
            .starts_with("the fifo's queue is 5000000 env steps")
    );
    let burn_in = ItemKind::Sequences {
        env_steps: 8,
        overlap: 4,
        burn_in: 5,
    };
    let uniform = TableKind::Uniform { pace: FREE };
    assert_eq!(
        made(burn_in, uniform).unwrap_err().to_string(),
        "burn_in is 5: expected at most the overlap, 4: else steps are never learnt"
    );
}
