//! A learner that is killed over and over, at its start and while it writes, and started again by a
//! supervisor that knows nothing of that.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use troop_learner::checkpoints::Checkpoints;
use troop_tests::{Learner, Scratch, Signal};

use crate::peer::{Peer, Session, gradient, runtime};
use crate::seeds::variable;
use crate::site::{ENDLESS, soon};

/// Kills of the short form.
const FEW: u64 = 12;

/// Enough to write that a kill finds it at work.
const ELEMENTS: usize = 200_000;

/// How long a start takes, roughly, in microseconds.
const START_US: u64 = 60_000;

/// How long the last checkpoint takes, roughly.
const CHECKPOINT_US: u64 = 40_000;

#[test]
fn whenever_it_is_killed_it_starts_again_and_loses_no_whole_checkpoint() {
    let kills = variable("TROOP_CAMPAIGN_KILLS").unwrap_or(FEW);
    let seed = variable("TROOP_CAMPAIGN_SEED").unwrap_or(1);
    println!("{kills} kills, TROOP_CAMPAIGN_SEED={seed}");
    let mut campaign = Campaign {
        rng: ChaCha8Rng::seed_from_u64(seed),
        kills_left: kills,
        counts: Counts::default(),
    };
    while campaign.kills_left > 0 {
        campaign.run_of_several_lives();
    }
    println!("{:?}", campaign.counts);
}

struct Campaign {
    rng: ChaCha8Rng,
    kills_left: u64,
    counts: Counts,
}

/// What was hit.
#[derive(Debug, Default)]
struct Counts {
    runs: u64,
    /// Starts that were killed, and those among them in a directory without a run yet.
    starts: u64,
    starts_before_the_run: u64,
    /// Kills while a checkpoint was written by the clock, or after SIGTERM.
    checkpoints: u64,
    last_checkpoints: u64,
    /// Kills that left part of a checkpoint.
    partial: u64,
}

/// What a run had reached when its last life ended.
#[derive(Clone, Copy, Default)]
struct Reached {
    epoch: u64,
    version: u64,
}

impl Campaign {
    fn run_of_several_lives(&mut self) {
        self.counts.runs += 1;
        let scratch = Scratch::new();
        let mut reached = Reached::default();
        if self.rng.random() {
            // As a volume that was mounted there.
            fs::create_dir(scratch.path().join("run")).expect("it is not there yet");
        }
        for _ in 0..3 {
            for _ in 0..self.rng.random_range(1..4) {
                self.kill_a_start(&scratch);
            }
            reached = self.kill_a_checkpoint(&scratch, reached);
        }
        let learner = start(&scratch);
        let last = check_life(&scratch, &learner, reached);
        learner.process.signal(Signal::TERM);
        learner.process.wait().expect_code(0);
        assert!(newest_version(&scratch) >= last.version);
    }

    fn kill_a_start(&mut self, scratch: &Scratch) {
        let process = scratch.start(&line());
        std::thread::sleep(Duration::from_micros(self.rng.random_range(0..START_US)));
        process.kill();
        self.kills_left = self.kills_left.saturating_sub(1);
        self.counts.starts += 1;
        let begun = scratch.path().join("run/experiment.toml").exists();
        self.counts.starts_before_the_run += u64::from(!begun);
    }

    /// One life that trains a little and is killed while it writes.
    fn kill_a_checkpoint(&mut self, scratch: &Scratch, reached: Reached) -> Reached {
        let learner = start(scratch);
        let life = check_life(scratch, &learner, reached);
        if self.rng.random_ratio(3, 4) {
            train(&learner.url);
        }
        let delay = Duration::from_micros(self.rng.random_range(0..CHECKPOINT_US));
        if self.rng.random_ratio(1, 4) && newest_version(scratch) < version(&learner) {
            // By its clock: a checkpoint begins.
            let before = newest_version(scratch);
            soon("a checkpoint", || {
                (!partials(scratch).is_empty() || newest_version(scratch) > before).then_some(())
            });
            std::thread::sleep(delay / 8);
            self.counts.checkpoints += 1;
        } else {
            learner.process.signal(Signal::TERM);
            std::thread::sleep(delay);
            self.counts.last_checkpoints += 1;
        }
        learner.process.kill();
        self.kills_left = self.kills_left.saturating_sub(1);
        self.counts.partial += u64::from(!partials(scratch).is_empty());
        Reached {
            epoch: life.epoch,
            version: newest_version(scratch).max(reached.version),
        }
    }
}

fn line() -> String {
    format!(
        "troop-learner --experiment cartpole --run-dir run --resume-or-start --steps {ENDLESS} \
         --set checkpoint.interval_s=1 --set checkpoint.keep=2 --set learner.drain_timeout_ms=100"
    )
}

fn start(scratch: &Scratch) -> Learner {
    Learner::of(scratch.start(&line()))
}

/// It has gone on from the newest whole checkpoint, in a life of its own, and tidied up.
fn check_life(scratch: &Scratch, learner: &Learner, reached: Reached) -> Reached {
    let status = learner.http.status();
    let number = |value: &Value| value.as_u64().expect("a number");
    let found = Reached {
        epoch: number(&status["epoch"]),
        version: number(&status["version"]),
    };
    assert!(found.epoch > reached.epoch, "{status}");
    assert!(
        found.version >= reached.version,
        "version {} was whole: {status}",
        reached.version
    );
    let left: Vec<PathBuf> = partials(scratch);
    assert!(left.is_empty(), "left behind: {left:?}");
    found
}

/// Of its parameters now.
fn version(learner: &Learner) -> u64 {
    learner.http.status()["version"].as_u64().expect("a number")
}

/// Some updates.
fn train(url: &str) {
    let runtime = runtime();
    let trained = runtime.block_on(async {
        let mut peer = Peer::connect(url).await?;
        let mut session = Session::open_with(&mut peer, ELEMENTS).await?;
        for sequence in 1..4 {
            let mut chunk = gradient(sequence, &vec![1e-3; ELEMENTS]);
            (chunk.epoch, chunk.version) = (session.epoch, session.version);
            session.send(chunk).await?;
            session.answer().await?;
        }
        Ok::<_, tonic::Status>(())
    });
    trained.expect("nobody disturbs it");
}

/// Of the newest checkpoint that is whole; 0 before the first.
fn newest_version(scratch: &Scratch) -> u64 {
    let newest = Checkpoints::new(scratch.path().join("run/checkpoints")).newest();
    newest
        .expect("some are whole")
        .map_or(0, |(_, newest)| newest.state.version)
}

/// Checkpoints that are being written, or were when their learner was killed.
fn partials(scratch: &Scratch) -> Vec<PathBuf> {
    let entries = fs::read_dir(scratch.path().join("run/checkpoints"));
    let paths = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let is_partial = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|it| it.to_string_lossy().starts_with(".partial-"))
    };
    paths.filter(is_partial).collect()
}
