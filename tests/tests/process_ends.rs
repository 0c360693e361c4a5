//! How processes end: signals that come twice, logs that nobody reads, and what environments have started.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use troop_tests::{Learner, Scratch, poll_until, python, serial};

/// More than any machine does before a test interrupts it.
const ENDLESS: u64 = 200_000_000;

/// An environment that starts simulators, in whatever session, and then holds the GIL for ever.
const HOLDER: &str = r#"
import ctypes, gymnasium, numpy as np, os, subprocess, sys

SLEEP = [sys.executable, "-c", "import time; time.sleep(3600)"]

class Holder(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-9, 9, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def reset(self, **_):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        started = [os.getpid()]
        started.append(subprocess.Popen(SLEEP).pid)
        started.append(subprocess.Popen(SLEEP, start_new_session=True).pid)
        # One whose parent is gone already, as daemons are.
        script = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).pid)"
        daemon = subprocess.run([sys.executable, "-c", script, *SLEEP], capture_output=True, text=True)
        started.append(int(daemon.stdout))
        with open("started.partial", "w") as file:
            file.write(" ".join(map(str, started)))
        os.rename("started.partial", "started")
        ctypes.PyDLL(None).sleep(3600)

gymnasium.register("Holder-v0", Holder)
"#;

fn lives(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| {
        !stat
            .rsplit_once(')')
            .unwrap_or_default()
            .1
            .starts_with(" Z")
    })
}

/// Waits until the environment holds the GIL; gives its process and those that it started.
fn started(scratch: &Scratch) -> Vec<String> {
    let file = scratch.path().join("started");
    let text = poll_until("an environment at work", || {
        std::fs::read_to_string(&file).ok()
    });
    let started: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    assert_eq!(started.len(), 4);
    assert!(started.iter().all(|process| lives(process)), "{started:?}");
    started
}

fn holder(scratch: &Scratch) -> String {
    scratch.write("holder.py", HOLDER);
    let python = python();
    format!(
        "--set environment.host=gymnasium --set environment.id=Holder-v0 --set environment.imports=[\"holder\"] \
         --set environment.envs_per_worker=1 --set environment.python={}",
        python.display()
    )
}

#[test]
fn a_killed_process_leaves_nothing_that_its_environments_started() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = holder(&scratch);
    let train = scratch.start(&format!(
        "troop train cartpole --workers 1 --run-dir run {options}"
    ));
    let started = started(&scratch);
    train.kill();
    poll_until("the end of all", || {
        (!started.iter().any(|process| lives(process))).then_some(())
    });
}

#[test]
fn a_host_that_is_given_up_leaves_nothing_either() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = holder(&scratch);
    let limits =
        "--set environment.step_timeout_ms=2000 --set environment.max_consecutive_restarts=0";
    let train = scratch.start(&format!(
        "troop train cartpole --workers 1 --run-dir run {options} {limits}"
    ));
    let started = started(&scratch);
    train
        .wait()
        .expect_code(1)
        .expect_text("environment.step_timeout_ms = 2000");
    poll_until("the end of all", || {
        (!started.iter().any(|process| lives(process))).then_some(())
    });
}

#[test]
fn a_planted_interpreter_is_not_run_and_the_learners_neither() {
    let _serial = serial();
    let scratch = Scratch::new();
    let planted = scratch.path().join("work/.venv/bin");
    let below = scratch.path().join("work/deep/below");
    std::fs::create_dir_all(&planted).unwrap();
    std::fs::create_dir_all(&below).unwrap();
    let script = planted.join("python");
    std::fs::write(
        &script,
        "#!/bin/sh\ntouch \"$(dirname \"$0\")/ran\"\nexit 1\n",
    )
    .unwrap();
    let mode = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o755);
    std::fs::set_permissions(&script, mode).unwrap();
    // A program that lies in no checkout, as an installed one.
    let installed = scratch.path().join("bin");
    std::fs::create_dir(&installed).unwrap();
    let actor = installed.join("troop-actor");
    std::fs::copy(troop_tests::executable("troop-actor"), &actor).unwrap();
    let learner = Learner::start(
        &scratch,
        &format!(
            "--experiment halfcheetah --run-dir run --set environment.python={}",
            script.display()
        ),
    );
    let mut own = Command::new(&actor);
    own.args(["--learner", &learner.url, "--workers", "1"])
        .current_dir(below)
        // Whatever `python3` is here has no package of Troop's.
        .env("PATH", "/usr/bin:/bin");
    troop_tests::Process::start(&mut own).wait().expect_code(1);
    assert!(!planted.join("ran").exists());
}

/// Starts a command whose streams go to pipes that the test holds.
fn piped(scratch: &Scratch, line: &str) -> Child {
    let mut command = scratch.command(line);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_run_goes_on_if_nobody_reads_its_output_any_more() {
    let _serial = serial();
    let scratch = Scratch::new();
    for format in ["text", "json"] {
        let run = format!("run-{format}");
        let line =
            format!("troop train cartpole --steps 60000 --log-format {format} --run-dir {run}");
        let mut train = piped(&scratch, &line);
        let mut first = [0];
        train.stdout.take().unwrap().read_exact(&mut first).unwrap();
        drop(train.stderr.take());
        let status = poll_until("the end of the run", || train.try_wait().unwrap());
        assert_eq!(status.code(), Some(0), "{format}");
        assert_eq!(scratch.run_files(&run).summary()["finished"], true);
    }
}

#[test]
fn a_learner_whose_log_is_closed_serves_its_workers() {
    let _serial = serial();
    let scratch = Scratch::new();
    let mut learner = piped(
        &scratch,
        "troop-learner --experiment cartpole --steps 60000 --run-dir run",
    );
    let mut stdout = std::io::BufReader::new(learner.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut line).unwrap();
    let url = line.trim().trim_start_matches("gRPC  ").to_owned();
    drop((stdout, learner.stderr.take()));
    scratch
        .run(&format!("troop-actor --learner {url} --workers 1"))
        .expect_code(0);
    let status = poll_until("the end of the learner", || learner.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn output_that_ends_early_is_no_error() {
    let scratch = Scratch::new();
    for line in ["troop config cartpole", "troop presets"] {
        let mut child = piped(&scratch, line);
        drop(child.stdout.take());
        let mut complaints = String::new();
        child
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut complaints)
            .unwrap();
        assert_eq!(
            child.wait().unwrap().code(),
            Some(0),
            "{line}: {complaints}"
        );
        assert_eq!(complaints, "");
    }
}

/// Sends a signal twice, 10 ms apart, once there have been updates.
fn end_twice(scratch: &Scratch, line: &str, signal: Signal, code: i32) {
    let process = scratch.start(line);
    let run = scratch.path().join("run");
    let at_work = || {
        let log = std::fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
        log.contains("\"kind\":\"progress\"").then_some(())
    };
    poll_until("progress", at_work);
    process.signal(signal);
    std::thread::sleep(Duration::from_millis(10));
    // It may have ended between the two.
    let _ = i32::try_from(process.id())
        .ok()
        .and_then(Pid::from_raw)
        .map(|id| kill_process(id, signal));
    let ended = process.wait().expect_code(code);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
    let checkpoints = scratch.run_files("run").checkpoints();
    assert_eq!(checkpoints.len(), 1, "{signal:?} {line}");
}

#[test]
fn a_doubled_signal_is_one_and_the_checkpoint_comes_first() {
    let _serial = serial();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let scratch = Scratch::new();
        let line = format!("troop train cartpole --steps {ENDLESS} --run-dir run");
        end_twice(&scratch, &line, signal, 130);
    }
}

#[test]
fn a_learner_and_its_actor_take_a_doubled_signal_for_one() {
    let _serial = serial();
    for (signal, codes) in [
        (Signal::TERM, [0, 0]),
        (Signal::INT, [130, 130]),
        (Signal::HUP, [0, 0]),
    ] {
        let scratch = Scratch::new();
        let line = format!("--experiment cartpole --steps {ENDLESS} --run-dir run");
        let learner = Learner::start(&scratch, &line);
        let actor = scratch.start(&format!(
            "troop-actor --learner {} --workers 2",
            learner.url
        ));
        poll_until("updates", || {
            (learner.http.status()["version"].as_u64() > Some(100)).then_some(())
        });
        for process in [&actor, &learner.process] {
            process.signal(signal);
            std::thread::sleep(Duration::from_millis(10));
            process.signal(signal);
        }
        for (process, code) in [(actor, codes[0]), (learner.process, codes[1])] {
            let ended = process.wait().expect_code(code);
            assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);
        }
        assert_eq!(scratch.run_files("run").checkpoints().len(), 1);
    }
}

#[test]
fn a_hangup_is_ignored_if_it_was_when_the_process_started() {
    let _serial = serial();
    let scratch = Scratch::new();
    let troop = troop_tests::executable("troop");
    let mut command = Command::new("nohup");
    command
        .arg(Path::new(&troop))
        .args([
            "train",
            "cartpole",
            "--run-dir",
            "run",
            "--http",
            "127.0.0.1:0",
        ])
        .args(["--steps", &ENDLESS.to_string()])
        .current_dir(scratch.path());
    let mut process = troop_tests::Process::start(&mut command);
    process.wait_for("page  ");
    process.signal(Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    assert!(process.is_running());
    process.signal(Signal::TERM);
    process.wait().expect_code(130);
}
