use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::runtime::Runtime;
use troop_actor::link::{
    Connector, Interrupt, LinkClosed, RemoteReplayReader, RemoteReplaySettings, RemoteReplayWriter,
    ReplayReader, ReplayWriter,
};
use troop_common::experience::{Actions, End, Observations, Segment};
use troop_common::experiment::{ActorSettings, WireSettings};
use troop_common::spaces::{ActionSpace, ElementType, ObservationSpace, Spaces};
use troop_replay::{InitialPriority, ItemKind, Pace, ReplaySettings, TableKind};
use troop_tests::{Endpoint, Finished, Process, Scratch, Signal};

use crate::peer::runtime;
use crate::site::{SOON, behind, soon};
use crate::vitals::memory_bytes;

/// What the run is called.
pub(crate) const RUN: &str = "campaign";

const BYTES: u64 = 4_000_000;

/// What a replay may hold more at the end of a campaign than at its beginning, beside its experience.
const MEMORY_GROWTH_BYTES: u64 = 160 << 20;

/// Draws that show that workers go on.
const ENOUGH: u64 = 20;

pub(crate) fn settings() -> ReplaySettings {
    ReplaySettings {
        spaces: Spaces {
            observation: ObservationSpace {
                shape: vec![2, 2],
                element: ElementType::F32,
            },
            action: ActionSpace::Discrete { n: 2 },
        },
        stack: 2,
        behaviour_len: 1,
        state_len: 0,
        most_environments: 8,
        most_environments_per_writer: 1,
        most_env_steps_per_append: 8,
        most_items_per_draw: 8,
        bytes: BYTES,
        max_age_versions: 0,
        items: ItemKind::Unrolls { env_steps: 4 },
        table: TableKind::Prioritized {
            exponent: 0.6,
            epsilon: 1e-6,
            initial: InitialPriority::Largest,
            pace: Pace {
                start_env_steps: 0,
                samples_per_insert: None,
            },
        },
    }
}

/// Four steps.
pub(crate) fn segment(number: u64) -> Segment {
    let mut segment = Segment::new(1, &settings().spaces);
    let numbers: Vec<f32> = (0..16).map(|i| (number + i) as f32).collect();
    let buffer = &mut segment.observations;
    buffer.extend(Observations::F32(&numbers), None);
    let buffer = &mut segment.bootstrap_observations;
    buffer.extend(Observations::F32(&numbers[..4]), None);
    segment.actions = Actions::Discrete(vec![1; 4]);
    segment.behaviour = vec![0.5; 4];
    segment.rewards = vec![1.0; 4];
    segment.ends = vec![End::Continues; 4];
    segment
}

/// A replay in a directory of its own, and a writer and a reader that do all as they should.
pub(crate) struct ReplaySite {
    _scratch: Scratch,
    process: Process,
    pub(crate) url: String,
    http: Endpoint,
    honest: Honest,
    memory_bytes: u64,
}

impl ReplaySite {
    pub(crate) fn new() -> Self {
        Self::limited(None)
    }

    /// One that may have no more open files than that.
    pub(crate) fn limited(files: Option<usize>) -> Self {
        let scratch = Scratch::new();
        let mut command = scratch.command(&format!(
            "troop-replay --experiment cartpole --run {RUN} --http 127.0.0.1:0 --set topology.replay_bytes={BYTES}"
        ));
        if let Some(files) = files {
            command = behind(&format!("ulimit -n {files}"), &command);
        }
        let process = Process::start(&mut command);
        let address = process.address_after("HTTP  http://");
        let url = process.word_after("gRPC  ");
        let honest = Honest::start(&url);
        honest.must_draw("at first");
        Self {
            memory_bytes: memory_bytes(process.id()),
            _scratch: scratch,
            process,
            url,
            http: Endpoint { address },
            honest,
        }
    }

    /// What a campaign must not have broken by now.
    pub(crate) fn check(&self, when: &str) {
        self.honest.must_draw(when);
        soon(&format!("{when}: an answer of /healthz"), || {
            let answer = self
                .http
                .try_get_within("/healthz", &[], Duration::from_secs(5));
            (answer.ok()?.status == 200).then_some(())
        });
        self.http.metrics();
    }

    /// Other workers find their way in.
    pub(crate) fn admits_others(&self, when: &str) {
        Honest::start(&self.url).must_draw(&format!("{when}, as newcomers"));
    }

    /// Memory that it has taken since it began.
    pub(crate) fn grown(&self) -> u64 {
        memory_bytes(self.process.id()).saturating_sub(self.memory_bytes)
    }

    /// Ends the replay as its supervisor would.
    pub(crate) fn end(self) -> Finished {
        let grown = self.grown();
        assert!(
            grown <= MEMORY_GROWTH_BYTES,
            "{grown} bytes of memory more than before"
        );
        let began = Instant::now();
        self.process.signal(Signal::TERM);
        let finished = self.process.wait().expect_code(0);
        assert!(
            began.elapsed() < SOON,
            "it took {:?} to end",
            began.elapsed()
        );
        finished
    }
}

/// Workers that do what the contract says, and come back if they are sent away.
struct Honest {
    drawn: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    interrupt: Interrupt,
    threads: Vec<JoinHandle<()>>,
    /// Carries their connections.
    _runtime: Runtime,
}

impl Honest {
    fn start(url: &str) -> Self {
        let runtime = runtime();
        let (drawn, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let interrupt = Interrupt::default();
        let link = RemoteReplaySettings {
            urls: vec![url.to_owned()],
            learner: None,
            run: RUN.into(),
            worker: "honest".into(),
            worker_index: 0,
            tls: None,
            token: None,
            interrupt: interrupt.clone(),
            connector: Connector::System,
            actor: ActorSettings {
                reconnect_initial_ms: 20,
                reconnect_max_ms: 200,
                give_up_after_s: 600,
                ..ActorSettings::default()
            },
            wire: WireSettings::default(),
            prefetch: 2,
            jitter_seed: 1,
            runtime: runtime.handle().clone(),
        };
        let (writing, over) = (link.clone(), Arc::clone(&ended));
        let writer = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                // What ends it is the campaign's doing; what counts is that it goes on.
                let _ = write(writing.clone(), &over);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let (count, over) = (Arc::clone(&drawn), Arc::clone(&ended));
        let reader = std::thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                let _ = read(link.clone(), &over, &count);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            drawn,
            ended,
            interrupt,
            threads: vec![writer, reader],
            _runtime: runtime,
        }
    }

    /// Some more is drawn soon.
    fn must_draw(&self, when: &str) {
        let drawn = || self.drawn.load(Ordering::Relaxed);
        let enough = drawn() + ENOUGH;
        soon(
            &format!("{when}: {ENOUGH} draws of an honest worker"),
            || (drawn() >= enough).then_some(()),
        );
    }
}

impl Drop for Honest {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        self.interrupt.raise("the campaign is over");
        for thread in self.threads.drain(..) {
            // It has nothing to say that a test would want to hear.
            let _ = thread.join();
        }
    }
}

fn write(link: RemoteReplaySettings, over: &AtomicBool) -> Result<(), LinkClosed> {
    let mut writer = RemoteReplayWriter::new(link);
    writer.open(&settings(), 1)?;
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        writer.append(&segment(number))?;
        // A worker has environments to step.
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn read(
    link: RemoteReplaySettings,
    over: &AtomicBool,
    count: &AtomicU64,
) -> Result<(), LinkClosed> {
    let mut reader = RemoteReplayReader::new(link);
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    while !over.load(Ordering::Relaxed) {
        let drawn = reader.draw(4, 0.4, 1, &mut rng)?;
        reader.reprioritise(drawn.keys(), &[1.0; 4]);
        count.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}
