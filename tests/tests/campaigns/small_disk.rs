//! A learner whose disk fills up, and is emptied again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rand::RngExt;
use troop_learner::checkpoints::Checkpoints;
use troop_learner::history::Line;
use troop_tests::{Learner, Process, Scratch, Signal};

use crate::honest_worker::HonestWorker;
use crate::seeds::each_seed;
use crate::site::{ENDLESS, behind, soon};

/// Bytes of the disk: some checkpoints of the run and its other files.
const DISK: &str = "1m";

/// A small file system in memory that only its own processes see mounted; it is gone with them.
struct Disk {
    keeper: Process,
    mounted: PathBuf,
}

impl Disk {
    /// None where the system lets nobody mount anything.
    fn mount(scratch: &Scratch) -> Option<Self> {
        let mounted = scratch.path().join("disk");
        fs::create_dir(&mounted).expect("it is not there yet");
        let mount =
            format!("mount -t tmpfs -o size={DISK} tmpfs disk && echo mounted && exec sleep 3600");
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &mount]);
        command.current_dir(scratch.path());
        let probe = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "mount",
                "-t",
                "tmpfs",
                "tmpfs",
                "/mnt",
            ])
            .output();
        if !probe.is_ok_and(|output| output.status.success()) {
            println!("nobody may mount a tmpfs here: the disk is not made small");
            return None;
        }
        let keeper = Process::start(&mut command);
        keeper.wait_for("mounted");
        Some(Self { keeper, mounted })
    }

    /// A file on it, as other processes see it.
    fn path(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.keeper.id()));
        root.join(self.mounted.strip_prefix("/").expect("it is absolute"))
            .join(name)
    }

    /// A command that sees it.
    fn enter(&self, command: &Command) -> Command {
        let keeper = self.keeper.id();
        let first = format!("cd {}", self.mounted.display());
        let inner = behind(&first, command);
        let mut outer = Command::new("nsenter");
        outer.args([
            "--preserve-credentials",
            "-U",
            "-m",
            "-t",
            &keeper.to_string(),
        ]);
        outer.arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }
        outer
    }

    /// Leaves as many bytes free, or fewer.
    fn fill(&self, but: usize) {
        let mut ballast = fs::File::create(self.path("ballast")).expect("there is room for a name");
        while ballast.write_all(&[0; 4_096]).is_ok() {}
        let len = ballast.metadata().expect("it is open").len();
        ballast
            .set_len(len.saturating_sub(but as u64))
            .expect("it can be cut");
    }

    fn empty(&self) {
        fs::remove_file(self.path("ballast")).expect("it was filled");
    }
}

#[test]
fn a_full_disk_costs_checkpoints_and_nothing_else() {
    each_seed("small disk", |rng| {
        let scratch = Scratch::new();
        let Some(disk) = Disk::mount(&scratch) else {
            return;
        };
        let line = format!(
            "troop-learner --experiment cartpole --run-dir run --resume-or-start --steps {ENDLESS} \
             --set checkpoint.interval_s=1"
        );
        let start = || Process::start(&mut disk.enter(&scratch.command(&line)));
        // A start without room says so; what it leaves is a place to start in.
        disk.fill(0);
        start().wait().expect_code(1).expect_text("space");
        disk.empty();
        let learner = Learner::of(start());
        let worker = HonestWorker::start(&learner.url);
        worker.must_train("with room");
        soon("a checkpoint", || newest(&disk.path("run/checkpoints")));
        disk.fill(rng.random_range(0..4) * 4_096);
        let full_at = newest(&disk.path("run/checkpoints"));
        std::thread::sleep(Duration::from_millis(2_500));
        worker.must_train("with a full disk");
        let limit = Duration::from_secs(5);
        learner
            .http
            .try_get_within("/healthz", &[], limit)
            .expect("an answer");
        disk.empty();
        soon("a checkpoint once there is room", || {
            (newest(&disk.path("run/checkpoints")) > full_at).then_some(())
        });
        worker.must_train("with room again");
        end(learner, &disk);
    });
}

fn end(learner: Learner, disk: &Disk) {
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
    assert!(newest(&disk.path("run/checkpoints")).is_some());
    let log = fs::read_to_string(disk.path("run/events.jsonl")).expect("it is there");
    let torn = log
        .lines()
        .filter(|line| Line::parse(line).is_err())
        .count();
    // A line that found no room may be cut, and the next one begins on a line of its own.
    println!(
        "{torn} of {} lines of the event log are torn",
        log.lines().count()
    );
    assert!(torn <= 4, "{log}");
}

/// Version of the newest checkpoint, which is whole.
fn newest(checkpoints: &Path) -> Option<u64> {
    let newest = Checkpoints::new(checkpoints)
        .newest()
        .expect("some are whole");
    newest.map(|(_, newest)| newest.state.version)
}
