use std::process::Command;
use std::time::{Duration, Instant};

use troop_learner::checkpoint::Checkpoint;
use troop_learner::history::Line;
use troop_tests::{Endpoint, Finished, Learner, Process, Scratch, Signal};

use crate::honest_worker::HonestWorker;
use crate::vitals::memory_bytes;

/// Something that a busy machine does in this time too, and a learner that is held up does not.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// What a learner may hold more at the end of a campaign than at its beginning.
const MEMORY_GROWTH_BYTES: u64 = 128 << 20;

/// What a campaign may leave in the event log.
const LOG_BYTES: u64 = 4 << 20;

/// Env steps that no campaign comes near to.
pub(crate) const ENDLESS: u64 = 1_000_000_000_000;

/// A learner in a directory of its own, and a worker that does all as it should.
pub(crate) struct Site {
    scratch: Scratch,
    pub(crate) learner: Learner,
    pub(crate) worker: HonestWorker,
    memory_bytes: u64,
}

impl Site {
    /// A learner with further arguments; its run does not end by itself.
    pub(crate) fn new(arguments: &str) -> Self {
        Self::limited(arguments, None)
    }

    /// The same for one that may have no more open files than that.
    pub(crate) fn limited(arguments: &str, files: Option<usize>) -> Self {
        let scratch = Scratch::new();
        let line = format!(
            "troop-learner --experiment cartpole --run-dir run --steps {ENDLESS} \
             --set checkpoint.interval_s=1 {arguments}"
        );
        let mut command = scratch.command(&line);
        if let Some(files) = files {
            command = behind(&format!("ulimit -n {files}"), &command);
        }
        let learner = Learner::of(Process::start(&mut command));
        let worker = HonestWorker::start(&learner.url);
        worker.must_train("at first");
        Self {
            memory_bytes: memory_bytes(learner.process.id()),
            scratch,
            learner,
            worker,
        }
    }

    /// What a campaign must not have broken by now.
    pub(crate) fn check(&self, when: &str) {
        self.worker.must_train(when);
        self.is_healthy(when);
        let status = self.learner.http.status();
        assert_eq!(status["phase"], "running", "{when}: {status}");
        self.learner.http.metrics();
    }

    /// `/healthz` answers.
    pub(crate) fn is_healthy(&self, when: &str) {
        let http = self.learner.http;
        let limit = Duration::from_secs(5);
        soon(&format!("{when}: an answer of /healthz"), || {
            let answer = http.try_get_within("/healthz", &[], limit).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    /// Another worker finds its way in.
    pub(crate) fn admits_another_worker(&self, when: &str) {
        let worker = HonestWorker::start(&self.learner.url);
        worker.must_train(&format!("{when}, as a newcomer"));
    }

    /// Checkpoints go on being written.
    pub(crate) fn writes_checkpoints(&self, when: &str) {
        let run = self.scratch.run_files("run");
        let newest = || run.checkpoints().pop();
        let before = newest();
        soon(&format!("{when}: a new checkpoint"), || {
            (newest() > before).then_some(())
        });
    }

    /// Ends the learner as its supervisor would, and looks through what it has left.
    pub(crate) fn end(self) -> Finished {
        let Self {
            scratch,
            learner,
            worker,
            memory_bytes: before,
        } = self;
        let grown = memory_bytes(learner.process.id()).saturating_sub(before);
        assert!(
            grown <= MEMORY_GROWTH_BYTES,
            "{grown} bytes of memory more than before"
        );
        let steps = worker.steps();
        let Learner { process, .. } = learner;
        let began = Instant::now();
        process.signal(Signal::TERM);
        let finished = process.wait().expect_code(0);
        assert!(
            began.elapsed() < SOON,
            "it took {:?} to end",
            began.elapsed()
        );
        drop(worker);
        let run = scratch.run_files("run");
        let log = run.text("events.jsonl");
        for line in log.lines() {
            Line::parse(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        }
        assert!(
            log.len() as u64 <= LOG_BYTES,
            "{} bytes of event log",
            log.len()
        );
        let checkpoint = Checkpoint::read(&run.newest_checkpoint()).expect("it is whole");
        let counters = checkpoint.state.counters;
        assert!(
            counters.env_steps >= steps,
            "{} of {steps} env steps",
            counters.env_steps
        );
        assert!(
            counters
                .recent_returns
                .iter()
                .all(|it| it.get().is_finite())
        );
        finished
    }
}

/// Asks until there is an answer, for [`SOON`].
pub(crate) fn soon<T>(what: &str, answer: impl FnMut() -> Option<T>) -> T {
    within(SOON, what, answer)
}

/// The same for another time.
pub(crate) fn within<T>(limit: Duration, what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The answer of an endpoint at `path`, as JSON.
pub(crate) fn json(http: Endpoint, path: &str) -> serde_json::Value {
    serde_json::from_str(&http.get(path).body).expect("it is JSON")
}

/// A command that a shell runs in its own place after another one.
pub(crate) fn behind(first: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{first} && exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    if let Some(directory) = command.get_current_dir() {
        shell.current_dir(directory);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}
