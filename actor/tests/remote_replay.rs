//! A replay over real sockets: what workers add is what workers draw, whatever becomes of connections.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use troop_actor::link::{
    Connector, Interrupt, LinkClosed, RemoteReplayReader, RemoteReplaySettings, RemoteReplayWriter,
    ReplayReader, ReplayWriter,
};
use troop_common::connections::Gate;
use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::experiment::{ActorSettings, WireSettings};
use troop_common::serving::Listener;
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_common::token::BearerToken;
use troop_replay::service::{Closing, ReplayMetrics, ReplayService, ServiceSettings, serve};
use troop_replay::{
    Drawn, DrawnItems, InitialPriority, ItemKind, Pace, ReplaySettings, SamplesPerInsert, TableKind,
};

const BYTES: u64 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(60);

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A service on a port of its own.
struct Served {
    service: ReplayService,
    url: String,
}

impl Served {
    fn start(runtime: &Runtime, life: u64) -> Self {
        Self::with_token(runtime, life, None)
    }

    fn with_token(runtime: &Runtime, life: u64, token: Option<BearerToken>) -> Self {
        Self::of(runtime, service(life, None), token)
    }

    /// One that begins with what a journal holds.
    fn with_journal(runtime: &Runtime, life: u64, journal: &Path) -> Self {
        let service = service(life, Some(journal));
        service.refill().unwrap();
        Self::of(runtime, service, None)
    }

    fn of(runtime: &Runtime, service: ReplayService, token: Option<BearerToken>) -> Self {
        let address = "127.0.0.1:0".parse().unwrap();
        let listener = runtime
            .block_on(Listener::bind(&address, "--listen"))
            .unwrap();
        let url = format!("http://{}", listener.address().unwrap());
        let gate = Gate::new("troop_test", 64).unwrap();
        runtime.spawn(serve(listener, service.clone(), gate, token, None));
        Self { service, url }
    }
}

fn service(life: u64, journal: Option<&Path>) -> ReplayService {
    service_of("run", life, journal)
}

fn service_of(run: &str, life: u64, journal: Option<&Path>) -> ReplayService {
    let settings = ServiceSettings {
        run: run.into(),
        replay_bytes: BYTES,
        wire: WireSettings::default(),
        life,
        journal: journal.map(Path::to_owned),
    };
    ReplayService::new(settings, ReplayMetrics::new().unwrap())
}

fn link(runtime: &Runtime, urls: &[&str]) -> RemoteReplaySettings {
    RemoteReplaySettings {
        urls: urls.iter().map(|url| (*url).to_owned()).collect(),
        run: "run".into(),
        worker: "worker".into(),
        worker_index: 0,
        tls: None,
        token: None,
        learner: None,
        interrupt: Interrupt::default(),
        connector: Connector::System,
        actor: ActorSettings {
            reconnect_initial_ms: 10,
            reconnect_max_ms: 50,
            give_up_after_s: 30,
            ..ActorSettings::default()
        },
        wire: WireSettings::default(),
        prefetch: 2,
        jitter_seed: 1,
        runtime: runtime.handle().clone(),
    }
}

fn free() -> TableKind {
    TableKind::Uniform {
        pace: Pace {
            start_env_steps: 0,
            samples_per_insert: None,
        },
    }
}

fn queue() -> TableKind {
    TableKind::Fifo { queue_items: 8 }
}

fn settings(table: TableKind) -> ReplaySettings {
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
        most_env_steps_per_append: 4,
        most_items_per_draw: 4,
        bytes: BYTES,
        max_age_versions: 0,
        items: ItemKind::Unrolls { env_steps: 4 },
        table,
    }
}

/// The `number`-th segment of four steps, which shows its steps' numbers and gives them as rewards.
fn segment(number: usize) -> Segment {
    let steps: Vec<f32> = (4 * number..4 * number + 4).map(|n| n as f32).collect();
    let mut segment = Segment::new(1, &settings(free()).spaces);
    segment.observations.extend(Observations::F32(&steps), None);
    let last = [(4 * number + 4) as f32];
    segment
        .bootstrap_observations
        .extend(Observations::F32(&last), None);
    segment.rewards = steps;
    segment.ends = vec![End::Continues; 4];
    segment.actions = Actions::Discrete(vec![1; 4]);
    segment.version = number as u64;
    segment
}

/// First rewards of what was drawn, by four: the numbers of the segments, as each is an unroll.
fn numbers(drawn: &Drawn) -> Vec<usize> {
    let DrawnItems::Stretches(stretches) = &drawn.items else {
        panic!("expected unrolls");
    };
    let rewards = &stretches.segment.rewards;
    let firsts = rewards[..stretches.len()].iter();
    firsts.map(|first| *first as usize / 4).collect()
}

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(1)
}

/// Waits for something that others bring about.
fn until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LIMIT, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn each_item_of_a_queue_is_drawn_once_and_in_order() {
    let runtime = runtime();
    let served = Served::start(&runtime, 7);
    let writing = link(&runtime, &[&served.url]);
    let writer = thread::spawn(move || {
        let mut writer = RemoteReplayWriter::new(writing);
        writer.open(&settings(queue()), 1).unwrap();
        for number in 0..200 {
            writer.append(&segment(number)).unwrap();
        }
    });
    until("the writer is held back", || {
        served.service.counts().appends_waiting == 1
    });
    let mut reader = RemoteReplayReader::new(link(&runtime, &[&served.url]));
    let mut seen = Vec::new();
    while seen.len() < 200 {
        let drawn = reader.draw(4, 0.0, 9, &mut rng()).unwrap();
        assert_eq!(reader.spaces().unwrap(), settings(queue()).spaces);
        let expected: Vec<u64> = numbers(&drawn).iter().map(|it| *it as u64).collect();
        assert_eq!(drawn.versions, expected);
        seen.extend(numbers(&drawn));
    }
    assert_eq!(seen, (0..200).collect::<Vec<_>>());
    writer.join().unwrap();
    until("the writer leaves", || served.service.counts().writers == 0);
    let counts = served.service.counts();
    assert_eq!((counts.segments_inserted, counts.items_drawn), (200, 200));
    assert!(counts.appends_held_back > 0);
    assert_eq!((counts.appends_waiting, counts.segments_repeated), (0, 0));
}

#[test]
fn a_replay_that_nobody_adds_to_holds_up_no_reader_of_others() {
    let runtime = runtime();
    let (left, used) = (Served::start(&runtime, 7), Served::start(&runtime, 8));
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&left.url]));
    writer.open(&settings(queue()), 1).unwrap();
    writer.append(&segment(0)).unwrap();
    let mut reader = RemoteReplayReader::new(link(&runtime, &[&left.url, &used.url]));
    let drawn = reader.draw(1, 0.0, 9, &mut rng()).unwrap();
    assert_eq!(numbers(&drawn), [0]);
    let asked = || left.service.counts().draws_waiting == 1;
    until("the reader asks the only one that is open", asked);
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&used.url]));
    writer.open(&settings(queue()), 1).unwrap();
    for number in 1..4 {
        writer.append(&segment(number)).unwrap();
        let drawn = reader.draw(1, 0.0, 9, &mut rng()).unwrap();
        assert_eq!(numbers(&drawn), [number]);
    }
}

#[test]
fn priorities_decide_and_those_of_another_life_do_nothing() {
    let runtime = runtime();
    let served = Served::start(&runtime, 7);
    let table = TableKind::Prioritized {
        exponent: 1.0,
        epsilon: 1e-6,
        initial: InitialPriority::Largest,
        pace: Pace {
            start_env_steps: 0,
            samples_per_insert: None,
        },
    };
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&served.url]));
    writer.open(&settings(table), 1).unwrap();
    for number in 0..20 {
        writer.append(&segment(number)).unwrap();
    }
    let added = || served.service.counts().items_held >= 20;
    until("all is added", added);
    let mut reader = RemoteReplayReader::new(RemoteReplaySettings {
        prefetch: 1,
        ..link(&runtime, &[&served.url])
    });
    let mut rng = rng();
    let mut priorities = 0;
    for _ in 0..100 {
        let drawn = reader.draw(4, 0.5, 9, &mut rng).unwrap();
        let errors: Vec<f32> = numbers(&drawn)
            .iter()
            .map(|number| f32::from(u8::from(*number == 11)))
            .collect();
        reader.reprioritise(drawn.keys(), &errors);
        priorities += errors.len() as u64;
    }
    until("priorities come", || {
        served.service.counts().priorities == priorities
    });
    // Those that were on their way are older.
    for _ in 0..2 {
        reader.draw(4, 0.5, 9, &mut rng).unwrap();
    }
    let drawn = reader.draw(4, 0.5, 9, &mut rng).unwrap();
    assert_eq!(numbers(&drawn), [11; 4]);
    let foreign = [u64::MAX, 1 << 50];
    reader.reprioritise(&foreign, &[1.0, 1.0]);
    reader.draw(4, 0.5, 9, &mut rng).unwrap();
    assert_eq!(served.service.counts().priorities, priorities);
}

/// Segments so far of one worker, which then leaves.
fn add(runtime: &Runtime, served: &Served, table: TableKind, numbers: Range<usize>) {
    let mut writer = RemoteReplayWriter::new(link(runtime, &[&served.url]));
    writer.open(&settings(table), 1).unwrap();
    for number in numbers {
        writer.append(&segment(number)).unwrap();
    }
    drop(writer);
    until("the worker has left", || {
        served.service.counts().writers == 0
    });
}

#[test]
fn a_replay_with_a_journal_begins_with_what_it_held() {
    let (runtime, journal) = (runtime(), TempDir::new().unwrap());
    let served = |life| Served::with_journal(&runtime, life, journal.path());
    let first = served(7);
    add(&runtime, &first, free(), 0..20);
    first.service.close(Closing::Draining("it ends".into()));
    let second = served(8);
    assert_eq!(second.service.counts().items_held, 20);
    add(&runtime, &second, free(), 20..30);
    let third = served(9);
    assert_eq!(third.service.counts().items_held, 30);
    let mut reader = RemoteReplayReader::new(link(&runtime, &[&third.url]));
    let (mut rng, mut seen) = (rng(), BTreeSet::new());
    for _ in 0..200 {
        seen.extend(numbers(&reader.draw(4, 0.0, 9, &mut rng).unwrap()));
    }
    assert_eq!(seen, (0..30).collect());
}

#[test]
fn a_journal_of_another_run_is_refused_with_what_to_do_and_a_queue_has_none() {
    let (runtime, journal) = (runtime(), TempDir::new().unwrap());
    let path = journal.path();
    add(
        &runtime,
        &Served::with_journal(&runtime, 7, path),
        queue(),
        0..4,
    );
    assert!(path.read_dir().unwrap().next().is_none());
    add(
        &runtime,
        &Served::with_journal(&runtime, 8, path),
        free(),
        0..4,
    );
    let refused = service_of("other", 9, Some(path)).refill().unwrap_err();
    let refused = refused.to_string();
    for part in ["of run `run`, expected `other`", "remove it"] {
        assert!(refused.contains(part), "{refused}");
    }
}

/// A port that leads to another, and whose connections can be cut.
struct Way {
    url: String,
    cuts: watch::Sender<u64>,
}

impl Way {
    fn new(runtime: &Runtime, to: &str) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (cuts, cut) = watch::channel(0);
        let to = to.trim_start_matches("http://").to_owned();
        runtime.spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await.unwrap();
                let (to, mut cut) = (to.clone(), cut.clone());
                cut.mark_unchanged();
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(to).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { url, cuts }
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

#[test]
fn after_lost_connections_every_segment_counts_once() {
    let runtime = runtime();
    let served = Served::start(&runtime, 7);
    let way = Way::new(&runtime, &served.url);
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&way.url]));
    writer.open(&settings(free()), 1).unwrap();
    for number in 0..300 {
        if number % 10 == 3 {
            way.cut();
        }
        writer.append(&segment(number)).unwrap();
    }
    drop(writer);
    let counts = || served.service.counts();
    until("the last one is added", || {
        counts().segments_inserted == 300
    });
    // No gap, no second writer: all follow each other.
    assert_eq!(
        (counts().env_steps_inserted, counts().items_inserted),
        (1_200, 300)
    );
}

#[test]
fn a_replay_that_begins_anew_gets_a_new_writer_and_a_reader_goes_on() {
    let runtime = runtime();
    let first = Served::start(&runtime, 7);
    let way = Way::new(&runtime, &first.url);
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&way.url]));
    let mut reader = RemoteReplayReader::new(link(&runtime, &[&way.url]));
    writer.open(&settings(free()), 1).unwrap();
    writer.append(&segment(0)).unwrap();
    let old = reader.draw(4, 0.0, 9, &mut rng()).unwrap();
    // Another life behind the same port.
    let second = Served::start(&runtime, 8);
    drop(way);
    let way = Way::new(&runtime, &second.url);
    let mut writer_there = RemoteReplayWriter::new(link(&runtime, &[&way.url]));
    first.service.close(Closing::Draining("it goes".into()));
    writer_there.open(&settings(free()), 1).unwrap();
    for number in 0..20 {
        writer_there.append(&segment(number)).unwrap();
    }
    let mut reader_there = RemoteReplayReader::new(link(&runtime, &[&way.url]));
    let drawn = reader_there.draw(4, 0.0, 9, &mut rng()).unwrap();
    assert_eq!(numbers(&drawn).len(), 4);
    // Keys of the first life mean nothing there, although they are the same numbers.
    reader_there.reprioritise(old.keys(), &[5.0; 4]);
    drop((writer, reader));
}

#[test]
fn draws_come_from_all_replays() {
    let runtime = runtime();
    let (one, two) = (Served::start(&runtime, 7), Served::start(&runtime, 8));
    let urls = [one.url.as_str(), two.url.as_str()];
    for worker_index in 0..2 {
        let mut writer = RemoteReplayWriter::new(RemoteReplaySettings {
            worker_index,
            ..link(&runtime, &urls)
        });
        writer.open(&settings(free()), 1).unwrap();
        writer.append(&segment(worker_index)).unwrap();
    }
    let mut reader = RemoteReplayReader::new(link(&runtime, &urls));
    let (mut seen, began) = (Vec::new(), Instant::now());
    // One of them may be there sooner.
    while !(seen.contains(&0) && seen.contains(&1)) {
        assert!(began.elapsed() < LIMIT, "{seen:?}");
        let drawn = reader.draw(4, 0.0, 9, &mut rng()).unwrap();
        let mut replays = numbers(&drawn);
        replays.dedup();
        assert_eq!(replays.len(), 1, "a draw is one replay's");
        reader.reprioritise(drawn.keys(), &[1.0; 4]);
        seen.extend(replays);
    }
    // One goes: the other gives all.
    one.service.close(Closing::Draining("it goes".into()));
    for _ in 0..20 {
        reader.draw(4, 0.0, 9, &mut rng()).unwrap();
    }
}

#[test]
fn every_wait_ends_with_the_run() {
    let runtime = runtime();
    let served = Served::start(&runtime, 7);
    let interrupt = Interrupt::default();
    let (told, ends) = mpsc::channel();
    let writing = link(&runtime, &[&served.url]);
    let told_by_writer = told.clone();
    thread::spawn(move || {
        let mut writer = RemoteReplayWriter::new(writing);
        writer.open(&settings(queue()), 1).unwrap();
        // Nobody draws.
        let end = (0..).find_map(|number| writer.append(&segment(number)).err());
        told_by_writer.send(end.unwrap()).unwrap();
    });
    let reading = RemoteReplaySettings {
        interrupt: interrupt.clone(),
        ..link(&runtime, &["http://127.0.0.1:1"])
    };
    thread::spawn(move || {
        let mut reader = RemoteReplayReader::new(reading);
        told.send(reader.draw(4, 0.0, 0, &mut rng()).unwrap_err())
            .unwrap();
    });
    until("it is held back", || {
        served.service.counts().appends_waiting == 1
    });
    interrupt.raise("stop");
    let end = ends.recv_timeout(LIMIT).unwrap();
    assert_eq!(end, LinkClosed::Finished("stop".into()));
    served.service.close(Closing::Finished("solved".into()));
    let end = ends.recv_timeout(LIMIT).unwrap();
    assert_eq!(end, LinkClosed::Finished("solved".into()));
    assert_eq!(served.service.counts().appends_waiting, 0);
}

#[test]
fn what_cannot_be_is_refused_for_good() {
    let runtime = runtime();
    let token = BearerToken::new("secret-of-more-than-sixteen").unwrap();
    let guarded = Served::with_token(&runtime, 7, Some(token));
    let served = Served::start(&runtime, 7);
    let refused = |settings: ReplaySettings, link: RemoteReplaySettings| {
        let mut writer = RemoteReplayWriter::new(link);
        match writer.open(&settings, 1).unwrap_err() {
            LinkClosed::Failed(why) => why,
            LinkClosed::Finished(why) => panic!("{why}"),
        }
    };
    let why = refused(settings(free()), link(&runtime, &[&guarded.url]));
    assert!(why.contains("token"), "{why}");
    let other_run = RemoteReplaySettings {
        run: "other".into(),
        ..link(&runtime, &[&served.url])
    };
    let why = refused(settings(free()), other_run);
    assert!(why.contains("run `run`"), "{why}");
    let large = ReplaySettings {
        bytes: BYTES + 1,
        ..settings(free())
    };
    let why = refused(large, link(&runtime, &[&served.url]));
    assert!(why.contains("topology.replay_bytes"), "{why}");
    let endless = TableKind::Uniform {
        pace: Pace {
            start_env_steps: 0,
            samples_per_insert: Some(SamplesPerInsert {
                ratio: 1.0,
                band_env_steps: 0.0,
            }),
        },
    };
    refused(settings(endless), link(&runtime, &[&served.url]));
    let mut writer = RemoteReplayWriter::new(link(&runtime, &[&served.url]));
    writer.open(&settings(free()), 1).unwrap();
    let why = refused(settings(queue()), link(&runtime, &[&served.url]));
    assert!(
        why.contains("other experience: table.kind is \"fifo\", expected \"uniform\""),
        "{why}"
    );
}
