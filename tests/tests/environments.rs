//! Training in Gymnasium's environments, through the Python host.

use std::fs;

use serde_json::Value;
use troop_tests::{Finished, Scratch, checkout, serial};

/// An environment that fails once in the way that it is told to, after some steps of learning.
const BRIDGE: &str = r#"
import os
import pathlib
import time

import gymnasium
import numpy as np
from gymnasium import spaces


class Bridge(gymnasium.Env):
    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, fault, again=False):
        self.fault = fault
        self.again = again
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observe(), {}

    def step(self, action):
        self.steps += 1
        broken = pathlib.Path("broken")
        if self.steps >= 30 and (self.again or not broken.exists()):
            broken.touch()
            if self.fault == "raise":
                raise RuntimeError("the bridge is down")
            if self.fault == "exit":
                print("so long", flush=True)
                os._exit(3)
            if self.fault == "hang":
                time.sleep(3600)
            if self.fault == "no_number":
                return self.observe(), float("nan"), False, False, {}
        return self.observe(), float(action), False, False, {}

    def observe(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


gymnasium.register("Bridge-v0", entry_point=Bridge, max_episode_steps=20)
"#;

#[test]
fn a_gaussian_policy_trains_on_pendulum() {
    let _serial = serial();
    let scratch = Scratch::new();
    let settings = "environment.id=Pendulum-v1 environment.envs_per_worker=4 method.t_max=10 \
                    experiment.total_env_steps=4000";
    train(&scratch, "cartpole", settings).expect_code(0);
    let run = scratch.run_files("run");
    let summary = run.summary();
    assert_eq!(summary["env_steps"], 4_000);
    assert_eq!(summary["frames"], 4_000);
    // Every episode is cut short after 200 steps.
    assert_eq!(summary["episodes"], 20);
    assert_eq!(summary["updates"], 100);
    let mean = summary["return_mean_100"].as_f64().unwrap();
    assert!((-3_500.0..0.0).contains(&mean), "{summary}");
    check_losses(&run.progress());
    let evaluation = scratch
        .run("troop evaluate run --episodes 4 --json")
        .expect_code(0)
        .json();
    assert_eq!(evaluation["length_mean"], 200.0);
}

#[test]
fn a_host_that_fails_is_replaced_and_the_run_goes_on() {
    let _serial = serial();
    let check = |fault: &str, reason: &str| {
        let scratch = Scratch::new();
        scratch.write("bridge.py", BRIDGE);
        let settings = format!("{} environment.step_timeout_ms=5000", bridge(fault));
        train(&scratch, "cartpole", &settings)
            .expect_code(0)
            .expect_text("gymnasium host failed")
            .expect_text(reason);
        assert!(
            scratch.path().join("broken").exists(),
            "it must have failed"
        );
        let summary = scratch.run_files("run").summary();
        assert_eq!(summary["environment_restarts"], 1, "{fault}: {summary}");
        assert_eq!(summary["env_steps"], 2_000, "{fault}: {summary}");
    };
    check("raise", "the bridge is down");
    check("exit", "so long");
    check("hang", "environment.step_timeout_ms = 5000");
}

#[test]
fn a_host_that_fails_again_and_again_ends_the_run_with_the_reason() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch.write("bridge.py", BRIDGE);
    let limit = "environment.kwargs.again=true environment.max_consecutive_restarts=1";
    train(
        &scratch,
        "cartpole",
        &format!("{} {limit}", bridge("raise")),
    )
    .expect_code(1)
    .expect_text("the bridge is down")
    .expect_text("it failed 2 times in a row");
    // What it had learnt is kept.
    assert!(scratch.run_files("run").summary()["updates"].as_u64() > Some(0));
    assert_eq!(scratch.run_files("run").checkpoints().len(), 1);
}

#[test]
fn a_reward_that_is_no_number_never_reaches_the_parameters() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch.write("bridge.py", BRIDGE);
    train(&scratch, "cartpole", &bridge("no_number"))
        .expect_code(0)
        .expect_text("the reward is nan (step ");
    assert!(
        scratch.path().join("broken").exists(),
        "it must have happened"
    );
    let run = scratch.run_files("run");
    let summary = run.summary();
    assert_eq!(summary["environment_restarts"], 1, "{summary}");
    let rejected = &summary["gradients"]["rejected"];
    assert_eq!(rejected.as_object().unwrap().len(), 0, "{summary}");
    let weights = run.checkpoint_file("weights.safetensors");
    let header = 8 + usize::try_from(u64::from_le_bytes(weights[..8].try_into().unwrap())).unwrap();
    let (values, _) = weights[header..].as_chunks::<4>();
    assert!(
        values
            .iter()
            .all(|bytes| f32::from_le_bytes(*bytes).is_finite())
    );
    // Nor does it make the checkpoint unreadable.
    let more = "troop train --run-dir run --resume --steps 3000";
    scratch.run(more).expect_code(0);
    assert!(
        run.summary()["return_mean_100"].is_f64(),
        "{}",
        run.summary()
    );
}

#[test]
fn pong_trains_and_counts_four_frames_a_step() {
    let _serial = serial();
    let scratch = Scratch::new();
    let settings = "environment.envs_per_worker=2 method.t_max=5 experiment.total_env_steps=2000";
    train(&scratch, "pong", settings).expect_code(0);
    let run = scratch.run_files("run");
    let summary = run.summary();
    assert_eq!(summary["env_steps"], 2_000);
    assert_eq!(summary["frames"], 8_000);
    assert_eq!(summary["updates"], 200);
    check_losses(&run.progress());
}

/// Presets of packages beside Gymnasium, some steps each: their ids, wrappers, bodies and methods go together.
#[test]
fn small_games_mazes_and_cars_train() {
    let _serial = serial();
    let games = [
        "asterix",
        "breakout",
        "freeway",
        "seaquest",
        "space-invaders",
    ];
    let names = games.map(|game| [format!("minatar-{game}"), format!("minatar-{game}-dqn")]);
    let mut presets: Vec<(String, u64)> = names
        .into_iter()
        .flatten()
        .map(|name| (name, 2_000))
        .collect();
    presets.push(("minigrid-doorkey".into(), 2_000));
    // PyPI has CarRacing's physics for no other machine. A track takes a second to make.
    if cfg!(target_arch = "x86_64") {
        presets.push(("carracing".into(), 40));
        presets.push(("carracing-discrete".into(), 40));
    }
    for (preset, env_steps) in presets {
        let scratch = Scratch::new();
        let method = match preset.ends_with("-dqn") {
            true => "method.replay_start_env_steps=1000 method.replay_ratio=4",
            false => "environment.envs_per_worker=2",
        };
        let settings = format!("{method} experiment.total_env_steps={env_steps}");
        train(&scratch, &preset, &settings).expect_code(0);
        let summary = scratch.run_files("run").summary();
        let count = |key: &str| summary[key].as_u64().unwrap();
        assert!(
            count("env_steps") >= env_steps && count("updates") > 0,
            "{preset}: {summary}"
        );
    }
}

#[test]
fn the_documented_environment_of_ones_own_is_solved() {
    let _serial = serial();
    let scratch = Scratch::new();
    let document = fs::read_to_string(checkout().join("docs/own-environment.md")).unwrap();
    scratch.write("corridor.py", block(&document, "python"));
    scratch.write("corridor.toml", block(&document, "toml"));
    scratch.run("troop config ./corridor.toml").expect_code(0);
    let stop = "--set experiment.stop_when_solved=true";
    let line = format!("troop train ./corridor.toml --run-dir run {stop}");
    scratch
        .run(&line)
        .expect_code(0)
        .expect_text("solved after");
}

/// One worker's run to its end, in the directory `run`.
fn train(scratch: &Scratch, preset: &str, settings: &str) -> Finished {
    let settings: String = settings
        .split_whitespace()
        .map(|setting| format!(" --set {setting}"))
        .collect();
    let line = format!("troop train {preset} --workers 1 --run-dir run{settings}");
    scratch.run(&line)
}

fn bridge(fault: &str) -> String {
    format!(
        "environment.id=Bridge-v0 environment.imports=[\"bridge\"] environment.kwargs.fault={fault} \
         environment.envs_per_worker=2 method.t_max=5 experiment.total_env_steps=2000"
    )
}

fn check_losses(progress: &[Value]) {
    let losses = progress.last().unwrap()["losses"]
        .as_object()
        .unwrap()
        .clone();
    for term in ["policy", "value", "entropy"] {
        let value = losses.get(term).and_then(Value::as_f64);
        assert!(value.is_some_and(f64::is_finite), "{term}: {losses:?}");
    }
}

/// The document's first block of code in this language.
fn block<'a>(document: &'a str, language: &str) -> &'a str {
    let (_, rest) = document.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0
}
