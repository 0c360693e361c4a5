//! Gymnasium environments in their Python process: what they show, how they equal the real thing, how they fail.

#![allow(clippy::unwrap_used)] // in helpers too: a panic is how a test fails

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use troop_actor::environment::{
    CartPole, EnvironmentError, GymnasiumHost, VectorEnvironment, make,
};
use troop_common::experience::{Actions, End, Observations};
use troop_common::experiment::{EnvironmentSettings, Host, Wrapper};
use troop_common::spaces::{ActionSpace, ElementType};

/// What tests/python/unruly.py does.
const FINE: i64 = 0;
const RAISE: i64 = 1;
const EXIT: i64 = 2;
const HANG: i64 = 3;
const END: i64 = 4;

fn actor() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn python() -> PathBuf {
    actor().join("../.venv/bin/python")
}

fn settings(id: &str, count: usize) -> EnvironmentSettings {
    EnvironmentSettings {
        id: id.into(),
        host: Host::Gymnasium,
        envs_per_worker: count,
        python: Some(python()),
        ..EnvironmentSettings::default()
    }
}

fn unruly(count: usize) -> EnvironmentSettings {
    let module = actor().join("tests/python/unruly.py");
    EnvironmentSettings {
        imports: vec![module.to_str().unwrap().into()],
        ..settings("Unruly-v0", count)
    }
}

fn start(settings: &EnvironmentSettings) -> GymnasiumHost {
    let mut host = GymnasiumHost::start(settings).unwrap();
    host.reset(1).unwrap();
    host
}

fn fatal(result: Result<impl Sized, EnvironmentError>) -> String {
    match result {
        Err(EnvironmentError::Fatal(message)) => message,
        Err(EnvironmentError::Restarted(message)) => panic!("restarted: {message}"),
        Ok(_) => panic!("it works"),
    }
}

fn restarted(result: Result<(), EnvironmentError>) -> String {
    match result {
        Err(EnvironmentError::Restarted(message)) => message,
        Err(EnvironmentError::Fatal(message)) => panic!("fatal: {message}"),
        Ok(()) => panic!("it works"),
    }
}

fn floats(observations: Observations<'_>) -> &[f32] {
    match observations {
        Observations::F32(values) => values,
        Observations::U8(_) => panic!("expected floats"),
    }
}

fn bytes(observations: Observations<'_>) -> &[u8] {
    match observations {
        Observations::U8(values) => values,
        Observations::F32(_) => panic!("expected bytes"),
    }
}

/// Steps until one fails: a process that was sent a signal may answer once more before it takes it.
fn first_failure(host: &mut GymnasiumHost) -> Result<(), EnvironmentError> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        step(host, FINE)?;
    }
    Ok(())
}

fn step(host: &mut GymnasiumHost, action: i64) -> Result<(), EnvironmentError> {
    let count = host.count();
    host.step(&Actions::Discrete(vec![action; count]))
}

#[test]
fn cartpole_from_python_moves_as_the_native_one() {
    let count = 3;
    let mut host = start(&settings(CartPole::ID, count));
    let mut native = CartPole::new(count);
    assert_eq!(host.spaces(), native.spaces());
    native.reset(0).unwrap();
    let firsts: Vec<f32> = floats(host.last().observations).to_vec();
    for (index, first) in firsts.as_chunks::<4>().0.iter().enumerate() {
        native.set_state(index, first.map(f64::from));
    }
    for action in [1, 0, 0, 1, 1, 0] {
        step(&mut host, action).unwrap();
        native
            .step(&Actions::Discrete(vec![action; count]))
            .unwrap();
        assert_eq!(host.last().ends, native.last().ends);
        assert_eq!(host.last().rewards, native.last().rewards);
        for (from_python, from_rust) in floats(host.last().observations)
            .iter()
            .zip(floats(native.last().observations))
        {
            assert!((from_python - from_rust).abs() < 1e-6);
        }
    }
}

#[test]
fn an_ended_episode_leaves_its_final_observation() {
    let mut host = start(&unruly(2));
    step(&mut host, FINE).unwrap();
    assert_eq!(host.last().ends, [End::Continues; 2]);
    host.step(&Actions::Discrete(vec![END, FINE])).unwrap();
    let last = host.last();
    assert_eq!(last.ends, [End::Truncated, End::Continues]);
    assert_eq!(last.rewards, [0.5, 0.5]);
    assert_eq!(floats(last.observations), [0.0, -1.0, 2.0, 0.0]);
    assert_eq!(floats(last.final_observations)[..2], [2.0, 4.0]);
}

#[test]
fn spaces_of_other_environments() {
    let host = start(&settings("MountainCar-v0", 2));
    assert_eq!(host.spaces().observation.shape, [2]);
    assert_eq!(host.spaces().action, ActionSpace::Discrete { n: 3 });
    assert_eq!(host.frame_skip(), 1);

    let host = start(&settings("Taxi-v4", 1));
    assert_eq!(host.spaces().observation.shape, [500]);
    assert_eq!(floats(host.last().observations).iter().sum::<f32>(), 1.0);

    let host = start(&settings("Pendulum-v1", 2));
    assert_eq!(host.spaces().observation.element, ElementType::F32);
    assert_eq!(
        host.spaces().action,
        ActionSpace::Box {
            low: vec![-2.0],
            high: vec![2.0]
        }
    );
}

#[test]
fn several_choices_and_their_masks_cross_in_both_directions() {
    let module = actor().join("tests/python/choosy.py");
    let mut host = start(&EnvironmentSettings {
        imports: vec![module.to_str().unwrap().into()],
        ..settings("Choosy-v0", 2)
    });
    assert_eq!(
        host.spaces().action,
        ActionSpace::MultiDiscrete { n: vec![2, 3] }
    );
    let masks = |host: &GymnasiumHost| host.last().masks.unwrap().to_vec();
    assert_eq!(masks(&host), [true; 10]);
    let both = |a: [i64; 2], b: [i64; 2]| Actions::MultiDiscrete([a, b].concat());
    host.step(&both([0, 1], [1, 2])).unwrap();
    assert_eq!(host.last().ends, [End::Continues, End::Terminated]);
    let after_zero = [false, true, true, true, false];
    assert_eq!(masks(&host), [after_zero, [true; 5]].concat());
    assert_eq!(floats(host.last().observations), [0.0, 1.0, 0.0, 0.0]);
    let after_one = [true, false, true, true, true];
    assert_eq!(host.last().final_masks.unwrap()[5..], after_one);
    for unfit in [
        both([2, 0], [0, 0]),
        both([0, 3], [0, 0]),
        both([0, 0], [-1, 0]),
        Actions::MultiDiscrete(vec![0, 0]),
        Actions::Discrete(vec![0, 0]),
    ] {
        assert!(fatal(host.step(&unfit)).contains("MultiDiscrete"));
    }
}

#[test]
fn environments_without_masks_give_none_and_taxi_gives_its_own() {
    let mut host = start(&settings("MountainCar-v0", 2));
    step(&mut host, 0).unwrap();
    assert_eq!((host.last().masks, host.last().final_masks), (None, None));
    let mut host = start(&settings("Taxi-v4", 1));
    let open = |host: &GymnasiumHost| host.last().masks.unwrap().to_vec();
    assert_eq!(open(&host).len(), 6);
    for _ in 0..20 {
        let mask = open(&host);
        assert!(mask.contains(&false), "Taxi always rules something out");
        let before = floats(host.last().observations).to_vec();
        let action = mask.iter().position(|open| *open).unwrap() as i64;
        step(&mut host, action).unwrap();
        assert_ne!(floats(host.last().observations), before, "it led somewhere");
    }
}

#[test]
fn actions_are_clipped_to_their_bounds() {
    let run = |torque: f32| {
        let mut host = start(&settings("Pendulum-v1", 2));
        for _ in 0..5 {
            host.step(&Actions::Continuous(vec![torque, -torque]))
                .unwrap();
        }
        (
            floats(host.last().observations).to_vec(),
            host.last().rewards.to_vec(),
        )
    };
    assert_eq!(run(1_000.0), run(2.0));
    assert_ne!(run(1.0), run(2.0));
}

#[test]
fn the_seed_decides_the_first_episodes() {
    let mut host = start(&settings("CartPole-v1", 2));
    let mut firsts = |seed| {
        host.reset(seed).unwrap();
        floats(host.last().observations).to_vec()
    };
    let first = firsts(u64::MAX);
    assert_ne!(firsts(7), first);
    assert_eq!(firsts(u64::MAX), first);
    assert_ne!(first[..4], first[4..]);
}

#[test]
fn actions_that_do_not_fit_are_refused() {
    let mut host = start(&settings("CartPole-v1", 2));
    for actions in [
        Actions::Discrete(vec![0]),
        Actions::Discrete(vec![0, 2]),
        Actions::Continuous(vec![0.0; 2]),
    ] {
        assert!(fatal(host.step(&actions)).contains("expected actions for 2 environments"));
    }
}

#[test]
fn keyword_arguments_reach_the_environment() {
    let kwargs = toml::Table::from_iter([("sutton_barto_reward".to_owned(), true.into())]);
    let mut environment = make(&EnvironmentSettings {
        host: Host::Auto,
        kwargs,
        ..settings("CartPole-v1", 1)
    })
    .unwrap();
    environment.reset(0).unwrap();
    environment.step(&Actions::Discrete(vec![0])).unwrap();
    assert_eq!(environment.last().rewards, [0.0]);
}

#[test]
fn keyword_arguments_that_python_cannot_be_sent_are_refused() {
    let kwargs = toml::toml! { track = { slopes = [0.5, inf] } };
    let message = fatal(GymnasiumHost::start(&EnvironmentSettings {
        kwargs,
        ..settings("CartPole-v1", 1)
    }));
    assert!(
        message.contains("environment.kwargs.track.slopes is inf"),
        "{message}"
    );
}

#[test]
fn an_exception_is_told_and_the_host_replaced() {
    let mut host = start(&unruly(2));
    let first_process = host.process_id();
    let message = restarted(step(&mut host, RAISE));
    assert_eq!(
        message,
        "environment `Unruly-v0` failed: RuntimeError: raised as asked"
    );
    assert_eq!(host.restarts(), 1);
    assert_ne!(host.process_id(), first_process);
    assert!(fatal(step(&mut host, FINE)).contains("before it was reset"));
    host.reset(2).unwrap();
    step(&mut host, FINE).unwrap();
    assert_eq!(floats(host.last().observations), [1.0, 0.0, 1.0, 0.0]);
}

#[test]
fn a_crash_is_told_with_the_last_words() {
    let mut host = start(&unruly(1));
    let message = restarted(step(&mut host, EXIT));
    assert!(
        message.contains("its host ended with exit status: 7"),
        "{message}"
    );
    assert!(message.ends_with("leaving as asked"), "{message}");
    host.reset(2).unwrap();
    step(&mut host, FINE).unwrap();
}

#[test]
fn a_step_that_does_not_end_is_given_up() {
    let mut host = start(&EnvironmentSettings {
        step_timeout_ms: 2_000,
        ..unruly(1)
    });
    let message = restarted(step(&mut host, HANG));
    assert!(
        message.contains("did not answer within environment.step_timeout_ms = 2000"),
        "{message}"
    );
    host.reset(2).unwrap();
    step(&mut host, FINE).unwrap();
}

#[test]
fn the_first_reset_has_the_starts_limit_and_later_ones_a_steps() {
    let slow = |start_timeout_ms, step_timeout_ms| EnvironmentSettings {
        kwargs: toml::toml! { reset_s = 2.0 },
        start_timeout_ms,
        step_timeout_ms,
        ..unruly(1)
    };
    let settings = slow(60_000, 500);
    let mut host = GymnasiumHost::start(&settings).unwrap();
    host.reset(1).unwrap();
    let message = restarted(host.reset(2));
    assert!(
        message.contains("environment.step_timeout_ms = 500"),
        "{message}"
    );

    // Long enough for Python to start, which takes none of the reset's time.
    let settings = slow(8_000, 60_000);
    let settings = EnvironmentSettings {
        envs_per_worker: 5,
        ..settings
    };
    let mut host = GymnasiumHost::start(&settings).unwrap();
    let message = restarted(host.reset(1));
    assert!(
        message.contains("environment.start_timeout_ms = 8000"),
        "{message}"
    );
    assert!(message.contains("first reset"), "{message}");
}

#[test]
fn a_killed_host_is_replaced() {
    let mut host = start(&unruly(1));
    kill_process(pid(&host), Signal::KILL).unwrap();
    let message = restarted(first_failure(&mut host));
    assert!(message.contains("signal: 9"), "{message}");
    host.reset(2).unwrap();
    step(&mut host, FINE).unwrap();
}

#[test]
fn failures_in_a_row_are_counted_and_a_good_stretch_forgives_them() {
    let mut host = start(&EnvironmentSettings {
        max_consecutive_restarts: 1,
        ..unruly(1)
    });
    for _ in 0..2 {
        restarted(step(&mut host, RAISE));
        host.reset(3).unwrap();
        for _ in 0..100 {
            step(&mut host, FINE).unwrap();
        }
    }
    restarted(step(&mut host, RAISE));
    host.reset(4).unwrap();
    let message = fatal(step(&mut host, RAISE));
    assert!(message.contains("raised as asked"), "{message}");
    assert!(message.contains("failed 2 times in a row"), "{message}");
    assert_eq!(host.restarts(), 3);
}

#[test]
fn dropping_a_host_ends_its_process() {
    let host = start(&unruly(1));
    let id = pid(&host);
    drop(host);
    assert!(test_kill_process(id).is_err());
}

#[test]
#[cfg(target_os = "linux")]
fn shared_memory_has_no_name_once_both_sides_have_it() {
    let host = start(&settings("CartPole-v1", 1));
    let maps = |id: &str| std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    // The process that was started supervises the host.
    let supervisor = host.process_id();
    let children = format!("/proc/{supervisor}/task/{supervisor}/children");
    let children = std::fs::read_to_string(children).unwrap();
    for maps in [maps("self"), maps(children.trim())] {
        assert!(
            maps.lines()
                .any(|line| line.contains("/troop-") && line.ends_with("(deleted)")),
            "{maps}"
        );
    }
}

#[test]
fn an_unknown_id_ends_it() {
    let message = fatal(GymnasiumHost::start(&settings("NoSuchThing-v0", 1)));
    let expected = "environment `NoSuchThing-v0` cannot start: there is no such environment: gymnasium.error.NameNotFound:";
    assert!(message.starts_with(expected), "{message}");
    assert!(message.contains("environment.imports"), "{message}");
}

#[test]
fn wrappers_are_put_around_environments() {
    let wrapper = |class: &str, kwargs: &str| Wrapper {
        class: class.into(),
        kwargs: kwargs.parse().unwrap(),
    };
    let stack = "gymnasium.wrappers:FrameStackObservation";
    let mut settings = settings("CartPole-v1", 1);
    settings.wrappers = vec![
        wrapper(stack, "stack_size = 3"),
        wrapper("gymnasium.wrappers:FlattenObservation", ""),
    ];
    let host = start(&settings);
    assert_eq!(host.spaces().observation.shape, [12]);
    settings.host = Host::Auto;
    assert!(!troop_actor::environment::is_native(&settings));
    settings.wrappers = vec![wrapper(stack, "stack_size = nan")];
    let message = fatal(GymnasiumHost::start(&settings));
    assert!(
        message.contains("environment.wrappers.kwargs.stack_size is NaN"),
        "{message}"
    );
}

#[test]
fn a_failing_import_ends_it() {
    let settings = EnvironmentSettings {
        imports: vec!["no_such_module".into()],
        ..settings("CartPole-v1", 1)
    };
    let message = fatal(GymnasiumHost::start(&settings));
    assert!(
        message.contains("ModuleNotFoundError: No module named 'no_such_module'"),
        "{message}"
    );
    assert!(message.contains("correct environment.imports"), "{message}");
}

#[test]
fn a_missing_interpreter_ends_it() {
    let settings = EnvironmentSettings {
        python: Some("/no/such/python".into()),
        ..settings("CartPole-v1", 1)
    };
    let message = fatal(GymnasiumHost::start(&settings));
    assert!(
        message.contains("cannot run /no/such/python: No such file"),
        "{message}"
    );
    assert!(message.contains("make setup"), "{message}");
}

#[test]
fn something_else_than_a_host_ends_it() {
    let settings = EnvironmentSettings {
        python: Some("/bin/echo".into()),
        ..settings("CartPole-v1", 1)
    };
    let message = fatal(GymnasiumHost::start(&settings));
    // Which of the two depends on who is faster.
    let expected = [
        "its host is not one of this version",
        "its host ended with exit status: 0",
    ];
    assert!(
        expected.iter().any(|expected| message.contains(expected)),
        "{message}"
    );
}

#[test]
fn a_start_that_does_not_end_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let module = directory.path().join("troop_sleeper.py");
    std::fs::write(
        &module,
        "import time; print('sleeping', flush=True); time.sleep(3600)",
    )
    .unwrap();
    let imports = vec![module.to_str().unwrap().into()];
    let settings = EnvironmentSettings {
        imports,
        start_timeout_ms: 1_500,
        ..settings("CartPole-v1", 1)
    };
    let message = fatal(GymnasiumHost::start(&settings));
    assert!(
        message.contains("did not answer within environment.start_timeout_ms = 1500"),
        "{message}"
    );
}

#[test]
fn native_means_native() {
    let message = fatal(make(&EnvironmentSettings {
        host: Host::Native,
        ..settings("Taxi-v4", 1)
    }));
    assert!(message.contains("`Taxi-v4` is not native"), "{message}");
}

#[test]
fn pong_equals_gymnasiums_wrappers() {
    check_atari("ALE/Pong-v5", 84, 2_000);
}

#[test]
fn breakout_equals_gymnasiums_wrappers() {
    check_atari("ALE/Breakout-v5", 84, 2_000);
}

#[test]
fn screens_of_other_sizes_equal_gymnasiums_too() {
    for size in [36, 42, 96, 105, 160] {
        check_atari("ALE/Breakout-v5", size, 400);
    }
}

type ReferenceStep = Vec<(i64, f32, bool, bool, u32, u32)>;

/// Plays the actions that the wrappers were given and compares everything they showed, across episode ends.
fn check_atari(id: &str, size: usize, steps: usize) {
    const COUNT: usize = 2;
    const SEED: u64 = 0xFEDC_BA98_7654_3210;
    let mut reference = Reference::start(&[
        id,
        &SEED.to_string(),
        &COUNT.to_string(),
        &steps.to_string(),
        &size.to_string(),
    ]);
    let mut settings = settings(id, COUNT);
    settings.atari.screen_size = size.try_into().unwrap();
    let mut host = make(&settings).unwrap();
    assert_eq!(host.spaces().observation.shape, [4, size, size]);
    assert_eq!(host.frame_skip(), 4);
    host.reset(SEED).unwrap();
    assert_eq!(
        checksums(host.last().observations, size),
        reference.line::<Vec<u32>>()
    );
    let (mut ends, mut rewards) = (0, 0);
    for t in 0..steps {
        let expected: ReferenceStep = reference.line();
        host.step(&Actions::Discrete(
            expected.iter().map(|step| step.0).collect(),
        ))
        .unwrap();
        let last = host.last();
        let (now, finals) = (
            checksums(last.observations, size),
            checksums(last.final_observations, size),
        );
        for (index, (_, reward, terminated, truncated, observation, final_observation)) in
            expected.iter().enumerate()
        {
            let context = format!("step {t}, environment {index}");
            assert_eq!(last.rewards[index], *reward, "{context}");
            assert_eq!(
                last.ends[index] == End::Terminated,
                *terminated,
                "{context}"
            );
            assert_eq!(
                last.ends[index] == End::Truncated,
                *truncated && !*terminated,
                "{context}"
            );
            assert_eq!(now[index], *observation, "{context}");
            if last.ends[index] != End::Continues {
                assert_eq!(finals[index], *final_observation, "{context}");
                ends += 1;
            }
            rewards += usize::from(*reward != 0.0);
        }
    }
    assert!(
        ends >= 2 && rewards >= 2,
        "{ends} episodes ended, {rewards} rewards"
    );
}

fn checksums(observations: Observations<'_>, size: usize) -> Vec<u32> {
    bytes(observations)
        .chunks(4 * size * size)
        .map(crc32fast::hash)
        .collect()
}

/// tests/python/atari_reference.py, running.
struct Reference {
    process: Child,
    lines: BufReader<ChildStdout>,
}

impl Reference {
    fn start(arguments: &[&str]) -> Self {
        let script = actor().join("tests/python/atari_reference.py");
        let mut command = Command::new(python());
        let mut process = command
            .arg(script)
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap());
        Self { process, lines }
    }

    fn line<T: serde::de::DeserializeOwned>(&mut self) -> T {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn pid(host: &GymnasiumHost) -> Pid {
    Pid::from_raw(host.process_id().try_into().unwrap()).unwrap()
}
