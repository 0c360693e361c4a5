//! Normalised and stacked observations: the same for all workers, kept with the run, and used by those who evaluate it.

use std::path::Path;
use std::process::Command;

use troop_learner::checkpoint::Checkpoint;
use troop_tests::{Learner, RunFiles, Scratch, checkout, serial};

const NORMALIZED: &str = "--set environment.normalize_observations=true";
const OBSERVATIONS: &str = "observations.safetensors";

fn newest(run: &RunFiles) -> Checkpoint {
    Checkpoint::read(&run.newest_checkpoint()).unwrap()
}

#[test]
fn one_worker_and_one_seed_normalize_alike_to_the_bit_and_resume_goes_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |arguments: &str| {
        scratch
            .run(&format!("troop train {arguments}"))
            .expect_code(0);
    };
    for run in ["first", "second"] {
        train(&format!(
            "cartpole --workers 1 --steps 20000 {NORMALIZED} --run-dir {run}"
        ));
    }
    let [first, second] = ["first", "second"].map(|run| scratch.run_files(run));
    for file in ["weights.safetensors", OBSERVATIONS] {
        assert!(
            first.checkpoint_file(file) == second.checkpoint_file(file),
            "{file}"
        );
    }
    let before = newest(&first);
    let moments = before.observations.unwrap();
    assert_eq!(moments.count(), before.state.counters.env_steps);
    train("--run-dir first --resume --steps 40000");
    let after = newest(&first);
    let resumed = after.observations.unwrap();
    assert_eq!(resumed.count(), after.state.counters.env_steps);
    assert!(resumed.count() >= 40_000 && resumed.mean() != moments.mean());
    let other =
        "--run-dir first --resume --steps 50000 --set environment.normalize_observations=false";
    scratch
        .run(&format!("troop train {other}"))
        .expect_code(1)
        .expect_text("the run began with environment.normalize_observations = true");
}

#[test]
fn rewards_are_normalized_with_observations_and_alone_and_resume_goes_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    let train = |arguments: &str| scratch.run(&format!("troop train {arguments}"));
    let rewards = "--set environment.normalize_rewards=true";
    for (observations, dimensions) in [(NORMALIZED, 5), ("", 1)] {
        let run = format!("of-{dimensions}");
        let start = format!("cartpole --workers 1 --steps 20000 {rewards} {observations}");
        train(&format!("{start} --run-dir {run}")).expect_code(0);
        let before = newest(&scratch.run_files(&run));
        let moments = before.observations.unwrap();
        assert_eq!(moments.count(), before.state.counters.env_steps);
        assert_eq!(moments.mean().len(), dimensions);
        // Rewards of 1 come to between 1 and 100 with a discount of 0.99.
        let spread = moments.variance().last().unwrap();
        assert!((1.0..1e4).contains(&spread), "{spread}");
        train(&format!("--run-dir {run} --resume --steps 30000")).expect_code(0);
        let evaluate = format!("troop evaluate {run} --episodes 2");
        scratch.run(&evaluate).expect_code(0);
    }
    train("--run-dir of-1 --resume --steps 40000 --set environment.normalize_rewards=false")
        .expect_code(2)
        .expect_text("environment.normalize_rewards");
}

#[test]
fn what_learned_on_normalized_observations_is_evaluated_on_them() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learn = format!("{NORMALIZED} --set experiment.stop_when_solved=true --run-dir run");
    scratch
        .run(&format!("troop train cartpole --seed 1 {learn}"))
        .expect_code(0)
        .expect_text("solved after");
    let mean = |more: &str| {
        let line = format!("troop evaluate run --episodes 20 --json {more}");
        let evaluation = scratch.run(&line).expect_code(0).json();
        evaluation["return_mean"].as_f64().unwrap()
    };
    let (normalized, raw) = (
        mean(""),
        mean("--set environment.normalize_observations=false"),
    );
    assert!(normalized > 400.0 && raw < normalized, "{normalized} {raw}");
    read_in_python(&scratch.run_files("run").newest_checkpoint());
}

/// As README.md shows it.
fn read_in_python(checkpoint: &Path) {
    let script = "import sys\n\
        from safetensors.numpy import load_file\n\
        seen = load_file(sys.argv[1])\n\
        print(*seen['mean'], *(seen['m2'] / seen['count']), seen['count'][0])";
    let output = Command::new(checkout().join(".venv/bin/python"))
        .args(["-c", script])
        .arg(checkpoint.join(OBSERVATIONS))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let found: Vec<f64> = text
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    let moments = Checkpoint::read(checkpoint).unwrap().observations.unwrap();
    let mut expected = moments.mean().to_vec();
    expected.extend(moments.variance());
    expected.push(moments.count() as f64);
    assert_eq!(found, expected);
}

#[test]
fn actors_over_the_network_share_their_moments() {
    let _serial = serial();
    let scratch = Scratch::new();
    // Slow enough that the second one comes before the run is over.
    let slow = "--set environment.step_sleep_us=2000";
    let options = format!("--steps 60000 --seed 1 {NORMALIZED} {slow} --run-dir run");
    let learner = Learner::start(&scratch, &format!("--experiment cartpole {options}"));
    let actors = [0, 1].map(|_| {
        let line = format!("troop-actor --learner {} --workers 1", learner.url);
        scratch.start(&line)
    });
    for actor in actors {
        actor.wait().expect_code(0);
    }
    learner.process.wait().expect_code(0);
    let checkpoint = newest(&scratch.run_files("run"));
    let (moments, counters) = (checkpoint.observations.unwrap(), checkpoint.state.counters);
    assert_eq!(moments.count(), counters.env_steps);
    assert!(moments.variance().all(|variance| variance > 1e-3));
}

#[test]
fn a_stack_of_frames_needs_no_memory_to_remember_the_cue() {
    let _serial = serial();
    let scratch = Scratch::new();
    let maze = "--set environment.id=Troop/TMaze-v0 --set environment.kwargs.length=2 \
                --set environment.frame_stack=4 --set experiment.solve_return=0.95 \
                --set experiment.stop_when_solved=true --set method.entropy_weight=0.01";
    scratch
        .run(&format!(
            "troop train cartpole --workers 1 --seed 1 {maze} --run-dir run"
        ))
        .expect_code(0)
        .expect_text("solved after");
}
