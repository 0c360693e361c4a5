//! A replay whose learner comes back with other settings.

use troop_tests::{Learner, Process, ReservedPort, Scratch, Signal, poll_until, serial, split_run};

/// A run of Ape-X whose learner comes and goes at one address.
struct Run {
    scratch: Scratch,
    port: ReservedPort,
}

impl Run {
    fn new() -> Self {
        Self {
            scratch: Scratch::new(),
            port: ReservedPort::new(),
        }
    }

    /// A life of the learner with further settings.
    fn life(&self, settings: &str) -> Learner {
        let address = self.port.address;
        Learner::start(
            &self.scratch,
            &format!(
                "--experiment cartpole-ape-x --run-dir run --resume-or-start --listen {address} \
                 --set actor.reconnect_max_ms=100 {settings}"
            ),
        )
    }

    /// A replay that was attached to a learner which is gone now.
    fn replay_of_an_earlier_life(&self) -> Process {
        let learner = self.life("");
        let replay = split_run::replay(&self.scratch, &learner.url);
        learner.process.signal(Signal::TERM);
        learner.process.wait().expect_code(0);
        replay
    }
}

#[test]
fn what_does_not_concern_a_replay_may_change() {
    let _serial = serial();
    let run = Run::new();
    let replay = run.replay_of_an_earlier_life();
    let learner = run.life(
        "--set method.double_q=false --set model.backend=native --set exploration.epsilon_initial=0.5 \
         --set environment.step_timeout_ms=20000",
    );
    poll_until("the replay to attach again", || {
        let status = learner.http.status();
        (status["replays"][0]["attached"] == true).then_some(())
    });
    replay.signal(Signal::TERM);
    replay.wait().expect_code(0);
}

#[test]
fn what_concerns_a_replay_is_refused_with_its_key_and_both_values() {
    let _serial = serial();
    for (setting, refused) in [
        (
            "method.n_step=5",
            "`method.n_step` = 3, and the run goes on with 5",
        ),
        (
            "topology.replay_bytes=100000000",
            "`topology.replay_bytes` = 67108864, and the run goes on with 100000000",
        ),
    ] {
        let run = Run::new();
        let replay = run.replay_of_an_earlier_life();
        let _learner = run.life(&format!("--set {setting}"));
        let replay = replay.wait().expect_code(1);
        replay
            .expect_text(refused)
            .expect_text("start another replay for it");
    }
}
