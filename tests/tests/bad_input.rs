//! What cannot work is refused with a reason, the right exit code, and nothing lost.

use std::fs;
use std::net::TcpListener;

use troop_tests::{Finished, Process, ReservedPort, Scratch, Signal};

/// The usage or the configuration is wrong.
const USAGE: i32 = 2;

/// It could have worked.
const FAILED: i32 = 1;

#[test]
fn an_unknown_preset_is_answered_with_the_nearest() {
    for program in ["troop train", "troop config", "troop-learner --experiment"] {
        Scratch::new()
            .run(&format!("{program} cartpol"))
            .expect_code(USAGE)
            .expect_text("unknown preset `cartpol`; did you mean `cartpole`?")
            .expect_text("pong");
    }
}

#[test]
fn keys_and_values_that_cannot_work_are_named_with_the_reason() {
    let check = |setting: &str, expected: &[&str]| {
        for program in ["troop train", "troop-learner --experiment"] {
            let scratch = Scratch::new();
            let line = format!("{program} cartpole --run-dir run --set {setting}");
            let mut finished = scratch.run(&line).expect_code(USAGE);
            for text in expected {
                finished = finished.expect_text(text);
            }
            assert!(!scratch.path().join("run").exists(), "{setting}");
        }
    };
    check(
        "method.tmax=3",
        &["`method.tmax`", "`method.t_max`", "--set"],
    );
    check("optimiser.learning_rate=1", &["`optimizer`"]);
    check(
        "optimizer.learning_rate=0",
        &["`optimizer.learning_rate` = 0", "above 0"],
    );
    check(
        "optimizer.learning_rate=fast",
        &["`optimizer.learning_rate`", "fast"],
    );
    check("method.discount=1.5", &["`method.discount` = 1.5"]);
    check("method.name=a3d", &["a3d", "`a3c`"]);
    check("model.hidden=[0]", &["`model.hidden`", "at least 1"]);
    check("experiment.seed=-1", &["experiment.seed"]);
    check("method.t_max", &["method.t_max"]);
    check("telemetry.log=a=b=c", &["`telemetry.log`"]);
}

#[test]
fn variables_are_checked_as_flags_are() {
    let scratch = Scratch::new();
    let mut command = scratch.command("troop config cartpole");
    command.env("TROOP__METHOD__TMAX", "3");
    Process::start(&mut command)
        .wait()
        .expect_code(USAGE)
        .expect_text("TROOP__METHOD__TMAX")
        .expect_text("`method.t_max`");
}

#[test]
fn a_file_that_is_missing_or_no_experiment_is_refused() {
    let scratch = Scratch::new();
    let train = |file: &str| {
        scratch
            .run(&format!("troop train {file}"))
            .expect_code(USAGE)
    };
    train("missing.toml")
        .expect_text("missing.toml")
        .expect_text("No such file");
    scratch.write("broken.toml", "[method]\nt_max = = 5\n");
    train("broken.toml")
        .expect_text("broken.toml is not valid TOML")
        .expect_text("2");
    scratch.write("unknown.toml", "[method]\nt_max = 5\nlambda = 1\n");
    train("unknown.toml")
        .expect_text("`method.lambda`")
        .expect_text("file unknown.toml");
    assert!(!scratch.path().join("runs").exists());
}

#[test]
fn wrong_usage_is_refused_with_the_way_to_help() {
    let scratch = Scratch::new();
    for line in [
        "troop",
        "troop trian cartpole",
        "troop train",
        "troop train cartpole --step 5",
        "troop train cartpole --resume",
        "troop evaluate",
        "troop-learner",
        "troop-learner --experiment cartpole --listen nowhere",
        "troop-actor",
    ] {
        scratch.run(line).expect_code(USAGE).expect_text("--help");
    }
}

#[test]
fn environments_that_cannot_be_made_end_the_run_with_gymnasiums_reason() {
    let scratch = Scratch::new();
    scratch.write(
        "broken_module.py",
        "raise RuntimeError('the bridge is down')\n",
    );
    let check = |settings: &str, expected: &[&str]| {
        let line = format!("troop train cartpole --workers 1 {settings}");
        let mut finished = scratch.run(&line).expect_code(FAILED);
        for text in expected {
            finished = finished.expect_text(text);
        }
    };
    let lost = "--set environment.id=Lost-v0";
    check(lost, &["environment `Lost-v0` cannot start", "Lost"]);
    check(
        &format!("{lost} --set environment.imports=[\"no_such_module\"]"),
        &["cannot start", "no_such_module"],
    );
    check(
        &format!("{lost} --set environment.imports=[\"broken_module\"]"),
        &["cannot start", "broken_module", "the bridge is down"],
    );
    check(
        "--set environment.host=gymnasium --set environment.python=/no/such/python",
        &["/no/such/python"],
    );
    check(
        "--set environment.host=gymnasium --set environment.kwargs.colour=1",
        &["cannot start", "colour"],
    );
    check(
        "--set environment.id=Taxi-v3 --set environment.host=native",
        &["`Taxi-v3` is not native", "`Troop/TMaze-v0`"],
    );
    let maze = "--set environment.id=Troop/TMaze-v0";
    check(
        &format!("{maze} --set environment.kwargs.length=0"),
        &["environment.kwargs.length is 0", "from 1 to 10000"],
    );
    check(
        &format!("{maze} --set environment.kwargs.width=3"),
        &["environment.kwargs", "width", "expected `length`"],
    );
}

#[test]
fn spaces_that_method_or_model_cannot_take_are_named() {
    let scratch = Scratch::new();
    scratch.write("talking.py", TALKING);
    let check = |settings: &str, expected: &[&str]| {
        let line = format!("troop train cartpole --workers 1 {settings}");
        let mut finished = scratch.run(&line).expect_code(FAILED);
        for text in expected {
            finished = finished.expect_text(text);
        }
    };
    check("--set model.body=a3c_conv", &["a3c_conv", "pixels"]);
    check(
        "--set environment.id=Pendulum-v1 --set method.name=n_step_q",
        &["`n_step_q` needs discrete actions", "use method `a3c`"],
    );
    check(
        "--set environment.id=Painted-v0 --set environment.imports=[\"talking\"] \
         --set environment.normalize_observations=true",
        &["`Painted-v0` shows pixels [3, 40, 40]", "set it to false"],
    );
    check(
        "--set environment.id=Talking-v0 --set environment.imports=[\"talking\"]",
        &["environment `Talking-v0` cannot start", "Sequence"],
    );
}

#[test]
fn a_replay_that_memory_cannot_hold_is_refused_with_what_to_change() {
    let scratch = Scratch::new();
    let line =
        "troop train cartpole-dqn --run-dir run --set method.replay_capacity_env_steps=4294967295";
    scratch
        .run(line)
        .expect_code(FAILED)
        .expect_text("`method.replay_capacity_env_steps` = 4294967295 needs")
        .expect_text("for the replays of 2 workers")
        .expect_text("or run fewer workers");
    let checkpoints = scratch.path().join("run/checkpoints");
    let trained = fs::read_dir(checkpoints)
        .is_ok_and(|mut all| all.any(|one| one.unwrap().file_name() != "000000000000"));
    assert!(!trained);
}

/// Environments whose observations have no fixed length, or are pixels.
const TALKING: &str = r#"
import gymnasium
import numpy as np
from gymnasium import spaces

class Talking(gymnasium.Env):
    observation_space = spaces.Sequence(spaces.Discrete(3))
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return (0,), {}

    def step(self, action):
        return (0, 1), 0.0, False, False, {}

class Painted(Talking):
    observation_space = spaces.Box(0, 255, (40, 40, 3), np.uint8)

gymnasium.register("Talking-v0", entry_point=Talking)
gymnasium.register("Painted-v0", entry_point=Painted)
"#;

#[test]
fn a_port_in_use_is_named_and_no_run_directory_is_left() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let check = |line: &str, expected: &str| {
        let scratch = Scratch::new();
        scratch
            .run(&format!("{line} {address}"))
            .expect_code(FAILED)
            .expect_text(&address.to_string())
            .expect_text(expected);
        assert!(!scratch.path().join("run").exists(), "{line}");
    };
    check(
        "troop train cartpole --run-dir run --http",
        "`learner.http`",
    );
    check(
        "troop-learner --experiment cartpole --run-dir run --http",
        "`learner.http`",
    );
    check(
        "troop-learner --experiment cartpole --run-dir run --listen",
        "`learner.listen`",
    );
    check("troop-actor --learner http://127.0.0.1:1 --http", "--http");
}

#[test]
fn listening_beyond_loopback_needs_a_token_or_the_words() {
    let scratch = Scratch::new();
    for line in [
        "troop-learner --experiment cartpole --listen 0.0.0.0:0",
        "troop-learner --experiment cartpole --http 0.0.0.0:0",
        "troop train cartpole --http 0.0.0.0:0",
    ] {
        scratch
            .run(line)
            .expect_code(USAGE)
            .expect_text("security.token_file")
            .expect_text("security.allow_insecure_listen");
    }
    scratch
        .run("troop-actor --learner http://127.0.0.1:1 --http 0.0.0.0:0")
        .expect_code(USAGE)
        .expect_text("--allow-insecure-listen");
    let insecure = "--set security.allow_insecure_listen=true";
    let line = format!("troop-learner --experiment cartpole --listen 0.0.0.0:0 {insecure}");
    let learner = scratch.start(&line);
    learner.wait_for("gRPC  http://0.0.0.0:");
}

#[test]
fn a_token_file_that_cannot_be_used_is_named() {
    let scratch = Scratch::new();
    scratch.write("empty", "\n");
    let learner = "troop-learner --experiment cartpole --run-dir run --set security.token_file=";
    for (file, reason) in [("missing", "No such file"), ("empty", "one line")] {
        for line in [
            format!("{learner}{file}"),
            format!("troop train cartpole --run-dir run --set security.token_file={file}"),
            format!("troop-actor --learner http://127.0.0.1:1 --token-file {file}"),
        ] {
            scratch
                .run(&line)
                .expect_code(USAGE)
                .expect_text(file)
                .expect_text(reason);
        }
    }
    assert!(!scratch.path().join("run").exists());
}

#[test]
fn a_run_directory_is_never_overwritten() {
    let scratch = Scratch::new();
    let train = "troop train cartpole --steps 20000 --run-dir run";
    scratch.run(train).expect_code(0);
    let before = listing(&scratch);
    for line in [train, "troop-learner --experiment cartpole --run-dir run"] {
        scratch
            .run(line)
            .expect_code(USAGE)
            .expect_text("run directory run exists")
            .expect_text("--resume");
    }
    assert_eq!(listing(&scratch), before);
    scratch.write("file", "precious");
    scratch
        .run("troop train cartpole --run-dir file")
        .expect_code(USAGE)
        .expect_text("file is no directory");
    assert_eq!(
        fs::read_to_string(scratch.path().join("file")).unwrap(),
        "precious"
    );
}

#[test]
fn only_one_process_has_a_run() {
    let scratch = Scratch::new();
    let train = scratch.start("troop train cartpole --steps 1000000000 --run-dir run");
    train.wait_for("training");
    scratch
        .run("troop train --run-dir run --resume")
        .expect_code(FAILED)
        .expect_text("in use by another process");
    train.signal(Signal::INT);
    train.wait().expect_code(130);
    assert_eq!(scratch.run_files("run").text("epoch").trim(), "1");
}

#[test]
fn only_a_run_can_be_resumed_and_only_with_its_own_experiment() {
    let scratch = Scratch::new();
    let resume = |arguments: &str| {
        let line = format!("troop train --resume --run-dir {arguments}");
        scratch.run(&line).expect_code(USAGE)
    };
    resume("missing").expect_text("missing is no run directory");
    fs::create_dir(scratch.path().join("empty")).unwrap();
    resume("empty").expect_text("empty is no run directory");
    scratch
        .run("troop train cartpole --steps 20000 --run-dir run")
        .expect_code(0);
    resume("run pong").expect_text("a run of `cartpole`, not of `pong`");
    let file = scratch.path().join("run/experiment.toml");
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    fs::write(
        &file,
        format!("{}\n[method", fs::read_to_string(&file).unwrap()),
    )
    .unwrap();
    resume("run").expect_text("experiment.toml is not valid TOML");
    let learner: Finished = scratch.run("troop-learner --resume --run-dir run");
    learner
        .expect_code(USAGE)
        .expect_text("experiment.toml is not valid TOML");
    assert_eq!(scratch.run_files("run").checkpoints().len(), 1);
}

#[test]
fn only_a_run_or_a_checkpoint_can_be_evaluated() {
    let scratch = Scratch::new();
    scratch
        .run("troop evaluate missing")
        .expect_code(USAGE)
        .expect_text("missing is not a directory");
    fs::create_dir(scratch.path().join("empty")).unwrap();
    scratch
        .run("troop evaluate empty")
        .expect_code(USAGE)
        .expect_text("expected a run");
}

#[test]
fn an_actor_says_once_that_nobody_is_there_and_can_be_stopped() {
    let scratch = Scratch::new();
    let port = ReservedPort::new();
    let line = format!("troop-actor --learner http://{}", port.address);
    let actor = scratch.start(&format!("{line} --log troop_actor=debug"));
    actor.wait_for("no connection to the learner; trying again");
    actor.wait_for("still no connection to the learner");
    actor.signal(Signal::INT);
    let actor = actor.wait().expect_code(130);
    assert_eq!(
        actor.count_lines("no connection to the learner; trying again"),
        1,
        "{actor:?}"
    );
}

#[test]
fn an_address_that_cannot_be_a_learners_is_refused_with_an_example() {
    let scratch = Scratch::new();
    for url in ["ftp://127.0.0.1:7700", "http://"] {
        scratch
            .run(&format!("troop-actor --learner {url}"))
            .expect_code(USAGE)
            .expect_text("expected e.g. http://127.0.0.1:7700");
    }
}

/// Names and lengths of all files below the run directory.
fn listing(scratch: &Scratch) -> Vec<(String, u64)> {
    let mut files = Vec::new();
    let mut directories = vec![scratch.path().join("run")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let (path, metadata) = (entry.path(), entry.metadata().unwrap());
            if metadata.is_dir() {
                directories.push(path);
            } else {
                files.push((path.display().to_string(), metadata.len()));
            }
        }
    }
    files.sort();
    files
}
