//! A run over two learners whose processes are killed by turns, and started again by a supervisor that knows nothing of the
//! run.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use troop_tests::{Scratch, Signal};

use crate::seeds::variable;
use crate::site::{ENDLESS, soon, within};
use crate::supervised::{Reached, Supervised, is_solved, newest};

/// Kills of the short form.
const FEW: u64 = 4;

/// A shard or a lead is killed so long after a checkpoint at most, in microseconds: some while they make the next one.
const LONGEST_US: u64 = 1_500_000;

/// Learning takes some seconds, and longer on a machine that does other things.
const LEARNT: Duration = Duration::from_secs(300);

#[test]
fn whoever_is_killed_the_run_goes_on_from_its_last_checkpoint_and_ends_solved() {
    let kills = variable("TROOP_CAMPAIGN_KILLS").unwrap_or(FEW);
    let seed = variable("TROOP_CAMPAIGN_SEED").unwrap_or(1);
    println!("{kills} kills, TROOP_CAMPAIGN_SEED={seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let scratch = Scratch::new();
    let mut run = Run::start(&scratch);
    let mut reached = Reached::default();
    for kill in 0..kills {
        reached = run.wait_for_progress(reached);
        std::thread::sleep(Duration::from_micros(rng.random_range(0..LONGEST_US)));
        match kill % 2 {
            0 => run.shard.kill(),
            _ => run.lead.kill(),
        }
    }
    run.wait_for_progress(reached);
    within(LEARNT, "a solved run", || {
        run.look_after();
        let solved = scratch.run_files("run").events();
        solved.iter().any(is_solved).then_some(())
    });
    run.lead.process.signal(Signal::TERM);
    let lead = run.lead.process;
    lead.wait().expect_code(0);
    let last = newest(&scratch);
    assert!(last.version >= reached.version);
    assert!(last.epoch > kills, "each kill ends a life: {last:?}");
}

/// A run of two learners and an actor.
struct Run<'a> {
    scratch: &'a Scratch,
    lead: Supervised<'a>,
    shard: Supervised<'a>,
    actor: Supervised<'a>,
}

impl<'a> Run<'a> {
    fn start(scratch: &'a Scratch) -> Self {
        let socket = |name: &str| format!("unix:{}", scratch.path().join(name).display());
        let (at_lead, at_shard) = (socket("lead.sock"), socket("shard.sock"));
        let lead = format!(
            "troop-learner --experiment cartpole --run-dir run --resume-or-start --steps {ENDLESS} \
             --listen {at_lead} --http 127.0.0.1:0 --set learner.shards=2 --set checkpoint.interval_s=1 \
             --set checkpoint.keep=2 --set environment.step_sleep_us=50 --set learner.drain_timeout_ms=500"
        );
        let shard = format!(
            "troop-learner --shard 1 --lead {at_lead} --listen {at_shard} --http 127.0.0.1:0"
        );
        let actor = format!("troop-actor --learner {at_lead} --workers 2");
        Self {
            scratch,
            lead: Supervised::start(scratch, lead),
            shard: Supervised::start(scratch, shard),
            actor: Supervised::start(scratch, actor),
        }
    }

    fn look_after(&mut self) {
        self.lead.look_after();
        self.shard.look_after();
        self.actor.look_after();
    }

    /// Waits for a checkpoint of a later life; none goes back behind `reached`.
    fn wait_for_progress(&mut self, reached: Reached) -> Reached {
        soon("a checkpoint of another life", || {
            self.look_after();
            let newest = newest(self.scratch);
            assert!(
                newest.version >= reached.version,
                "{newest:?} after {reached:?}"
            );
            (newest.epoch > reached.epoch).then_some(newest)
        })
    }
}
