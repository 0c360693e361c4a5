//! `troop evaluate` where episodes do not end, and where environments fail.

use troop_tests::{Finished, Scratch, serial};

/// An environment whose episodes end after ten steps, for as long as it is told to let them; and that
/// fails once, or each time, where it is told to.
const ISLAND: &str = r#"
import pathlib

import gymnasium
import numpy as np
from gymnasium import spaces


class Island(gymnasium.Env):
    observation_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, ends=1_000_000, fails="never"):
        self.ends = ends
        self.fails = fails
        self.episodes = 0
        self.steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episodes += 1
        self.length = 0
        return self.observe(), {}

    def step(self, action):
        self.length += 1
        self.steps += 1
        failed = pathlib.Path("failed")
        if self.steps == 25 and (self.fails == "always" or self.fails == "once" and not failed.exists()):
            failed.touch()
            raise RuntimeError("the island has sunk")
        over = self.length >= 10 and self.episodes <= self.ends
        return self.observe(), 1.0, over, False, {}

    def observe(self):
        return self.np_random.uniform(-1, 1, 2).astype(np.float32)


gymnasium.register("Island-v0", entry_point=Island)
"#;

fn trained() -> Scratch {
    let scratch = Scratch::new();
    scratch.write("island.py", ISLAND);
    let settings = [
        "environment.id=Island-v0",
        "environment.imports=[\"island\"]",
        "environment.envs_per_worker=1",
        "environment.max_consecutive_restarts=2",
        "method.t_max=5",
        "experiment.total_env_steps=200",
    ];
    let settings = settings.map(|setting| format!(" --set {setting}")).concat();
    scratch
        .run(&format!(
            "troop train cartpole --workers 1 --run-dir run{settings}"
        ))
        .expect_code(0);
    scratch
}

fn evaluate(scratch: &Scratch, options: &str) -> Finished {
    scratch.run(&format!("troop evaluate run --json {options}"))
}

#[test]
fn where_no_episode_ends_the_step_limit_does_and_what_there_is_is_told() {
    let _serial = serial();
    let scratch = trained();
    let endless = "--set environment.kwargs.ends=0 --max-env-steps 300 --episodes 3";
    let finished = evaluate(&scratch, endless)
        .expect_code(1)
        .expect_text("no episode ended within 300 env steps")
        .expect_text("--max-env-steps");
    let evaluation = finished.json();
    assert_eq!(
        (&evaluation["episodes"], &evaluation["env_steps"]),
        (&0.into(), &300.into())
    );
    assert!(evaluation["return_mean"].is_null(), "{evaluation}");
    assert_eq!(evaluation["unfinished_episodes"], 1);
    assert_eq!(evaluation["unfinished_return_mean"], 300.0);
    let in_words = scratch.run(&format!("troop evaluate run {endless}"));
    in_words.expect_code(1).expect_text("return 300.0 so far");
}

#[test]
fn episodes_that_ended_before_the_step_limit_count_with_a_note() {
    let _serial = serial();
    let scratch = trained();
    let options = "--set environment.kwargs.ends=2 --max-env-steps 300 --episodes 5";
    let finished = evaluate(&scratch, options)
        .expect_code(0)
        .expect_text("the limit of env steps came before all episodes had ended");
    let evaluation = finished.json();
    assert_eq!(
        (&evaluation["episodes"], &evaluation["return_mean"]),
        (&2.into(), &10.0.into())
    );
    assert!(
        evaluation["stopped"].as_str().unwrap().contains("300"),
        "{evaluation}"
    );
}

#[test]
fn an_environment_that_fails_is_started_again_as_in_training() {
    let _serial = serial();
    let scratch = trained();
    let once = "--set environment.kwargs.fails=once --episodes 4";
    let evaluation = evaluate(&scratch, once)
        .expect_code(0)
        .expect_text("the island has sunk")
        .json();
    assert_eq!(
        (&evaluation["episodes"], &evaluation["length_mean"]),
        (&4.into(), &10.0.into())
    );
    assert_eq!(evaluation["environment_restarts"], 1);
    assert!(evaluation["stopped"].is_null(), "{evaluation}");

    let always = "--set environment.kwargs.fails=always --episodes 40";
    let finished = evaluate(&scratch, always)
        .expect_code(1)
        .expect_text("environment.max_consecutive_restarts is 2");
    let evaluation = finished.json();
    assert_eq!(
        evaluation["return_mean"], 10.0,
        "what there is: {evaluation}"
    );
    assert_eq!(
        (&evaluation["episodes"], &evaluation["environment_restarts"]),
        (&6.into(), &2.into())
    );
}
