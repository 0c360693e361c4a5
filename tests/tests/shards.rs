//! Parameters that are spread over several learners, each a process of its own.

use std::ops::Range;

use troop_actor::link::{Connector, Contribution, EndpointSettings, GrpcLink, Interrupt, Link};
use troop_common::experiment::ActorSettings;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::v1::Report;
use troop_common::weights::Weights;
use troop_tests::{Learner, Process, ReservedPort, Scratch, Signal, poll_until, serial};

/// A lead and the shards beside it.
struct Sharded {
    scratch: Scratch,
    lead: Learner,
    others: Vec<Process>,
}

impl Sharded {
    fn start(shards: usize, arguments: &str) -> Self {
        let line = format!("--experiment cartpole {arguments}");
        Self::start_in(Scratch::new(), shards, &line)
    }

    /// The run of `scratch` goes on, maybe with another number of shards.
    fn resume(scratch: Scratch, shards: usize) -> Self {
        Self::start_in(scratch, shards, "--resume")
    }

    fn start_in(scratch: Scratch, shards: usize, arguments: &str) -> Self {
        let line = format!("--run-dir run --set learner.shards={shards} {arguments}");
        let lead = Learner::start(&scratch, &line);
        let others = (1..shards).map(|index| shard(&scratch, &lead.url, index));
        let others: Vec<_> = others.collect();
        others.iter().for_each(|shard| {
            shard.wait_for("shard ready");
        });
        Self {
            scratch,
            lead,
            others,
        }
    }

    /// Ends this life of the run; gives what it leaves.
    fn drain(self) -> Scratch {
        self.lead.process.signal(Signal::TERM);
        self.lead.process.wait().expect_code(0);
        for shard in self.others {
            shard.kill();
        }
        self.scratch
    }

    fn actor(&self) -> Process {
        let line = format!("troop-actor --learner {} --workers 2", self.lead.url);
        self.scratch.start(&line)
    }
}

fn shard(scratch: &Scratch, lead: &str, index: usize) -> Process {
    scratch.start(&format!(
        "troop-learner --shard {index} --lead {lead} --listen 127.0.0.1:0 --http 127.0.0.1:0"
    ))
}

/// Bounds of ranges lie within tensors.
fn layout() -> Layout {
    let tensor = |name: &str, shape: &[usize], initializer| TensorSpec {
        name: name.into(),
        shape: shape.to_vec(),
        initializer,
    };
    Layout::new(vec![
        tensor("body.weight", &[37, 5], Initializer::Orthogonal(1.4)),
        tensor("body.bias", &[37], Initializer::Zeros),
        tensor("head", &[501], Initializer::Uniform(0.3)),
    ])
    .unwrap()
}

fn join(runtime: &tokio::runtime::Runtime, url: &str) -> GrpcLink {
    let endpoint = EndpointSettings {
        url: url.into(),
        tls: None,
        token: None,
        worker: "test/0".into(),
        role: None,
        actor: ActorSettings::default(),
        interrupt: Interrupt::default(),
        connector: Connector::System,
        jitter_seed: 0,
    };
    GrpcLink::join(runtime.handle(), endpoint).unwrap().0
}

/// What some gradients make of the first parameters, by way of as many learners as that. Some of the gradients are clipped,
/// and one is refused.
fn trained(shards: usize, wire: &str) -> Vec<u32> {
    let run = Sharded::start(shards, &format!("{EXACT} {wire}"));
    let (version, parameters) = train(&run, 0..40);
    assert_eq!(version, 39, "one of them was not finite");
    parameters
}

/// With one worker all is computed as in one process.
const EXACT: &str = "--set wire.send_weights=after_gradient --set wire.gradients_in_flight=1 \
                     --set learner.publish.updates=1 --set optimizer.max_gradient_norm=0.5 --steps 1000";

/// Has one worker send the gradients of these steps; gives the version and the parameters' bits after them.
fn train(run: &Sharded, steps: Range<u64>) -> (u64, Vec<u32>) {
    train_together(run, steps, 1)
}

/// The same by workers that share a session.
fn train_together(run: &Sharded, steps: Range<u64>, workers: usize) -> (u64, Vec<u32>) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let first = join(&runtime, &run.lead.url);
    let mut links: Vec<_> = (1..workers).map(|_| first.beside()).collect();
    links.push(first);
    for link in &mut links {
        link.open(&layout()).unwrap();
    }
    for step in steps {
        for link in &mut links {
            let weights = link.weights().unwrap();
            link.push(&mut contribution(&weights, step)).unwrap();
        }
    }
    let last = links[0].weights().unwrap();
    let bits = last.parameters.iter().map(|value| value.to_bits());
    (last.version, bits.collect())
}

/// A gradient that leads somewhere; that of step 20 is not finite.
fn contribution(weights: &Weights, step: u64) -> Contribution {
    let drift = |(place, weight): (usize, &f32)| {
        0.01 * (step % 7) as f32 * weight + ((place * 31) % 11) as f32 * 1e-3
    };
    let mut gradient: Vec<f32> = weights.parameters.iter().enumerate().map(drift).collect();
    if step == 20 {
        gradient[3] = f32::NAN;
    }
    Contribution {
        epoch: weights.epoch,
        version: weights.version,
        gradient,
        report: Report {
            env_steps: 5,
            frames: 5,
            ..Report::default()
        },
    }
}

/// What a checkpoint of a run of so many shards holds, and where it is.
fn checkpointed(shards: usize, optimizer: &str) -> (Vec<Vec<u8>>, Scratch) {
    let run = Sharded::start(shards, &format!("{EXACT} {optimizer}"));
    train(&run, 0..15);
    let scratch = run.drain();
    let files = scratch.run_files("run");
    let read = |name| files.checkpoint_file(name);
    let found = ["weights.safetensors", "optimizer.safetensors"].map(read);
    (found.into(), scratch)
}

#[test]
fn a_checkpoint_is_that_of_one_learner_and_any_number_of_shards_goes_on_from_it() {
    let _serial = serial();
    let optimizer = "--set optimizer.name=adam";
    let (expected, scratch) = checkpointed(1, optimizer);
    let one = train(&Sharded::resume(scratch, 1), 15..30);
    for (shards, then) in [(4, 1), (4, 2), (2, 3)] {
        let (found, scratch) = checkpointed(shards, optimizer);
        assert!(found == expected, "{shards} shards");
        let on = train(&Sharded::resume(scratch, then), 15..30);
        assert!(on == one, "from {shards} shards to {then}");
    }
}

#[test]
fn shards_begin_anew_with_a_lead_that_comes_back() {
    let _serial = serial();
    let port = ReservedPort::new();
    let listen = format!("--listen {} --set checkpoint.interval_s=1", port.address);
    let mut run = Sharded::start(2, &format!("--steps 1000000000 {listen}"));
    let actor = run.actor();
    run.lead.process.wait_for("checkpoint written");
    run.lead.process.kill();
    // So that the next life has something to do, however fast the first was.
    let reached = &run.scratch.run_files("run").state()["counters"]["env_steps"];
    let steps = reached.as_u64().unwrap() + 200_000;
    let line = format!("--run-dir run --resume --steps {steps} {listen}");
    run.lead = Learner::start(&run.scratch, &line);
    run.lead.process.wait().expect_code(0);
    run.others.remove(0).wait().expect_code(0);
    actor.wait().expect_code(0);
    let state = run.scratch.run_files("run").state();
    assert_eq!(state["epoch"], 2, "{state}");
}

#[test]
fn parameters_do_not_depend_on_the_number_of_shards() {
    let _serial = serial();
    for wire in ["", "--set wire.gradients=bf16"] {
        let one = trained(1, wire);
        for shards in [2, 4] {
            assert!(trained(shards, wire) == one, "{shards} shards {wire}");
        }
    }
}

#[test]
fn sums_of_gradients_do_not_depend_on_the_number_of_shards_either() {
    let summed = |shards| {
        let run = Sharded::start(shards, &format!("{EXACT} --set actor.relay_workers=3"));
        train_together(&run, 0..20, 3)
    };
    let one = summed(1);
    assert_eq!(one.0, 20, "an update is a sum");
    for shards in [2, 4] {
        assert!(summed(shards) == one, "{shards} shards");
    }
}

/// Synchronous workers, each with a session of its own.
const ROUNDS: &str = "--set learner.staleness=synchronous --set learner.publish.updates=1 \
                      --set learner.synchronous_workers=3 --set optimizer.max_gradient_norm=none --steps 1000";

/// What rounds of three workers make of the first parameters; one of their gradients is not finite.
fn trained_in_rounds(shards: usize) -> (u64, Vec<u32>) {
    let run = Sharded::start(shards, ROUNDS);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut links: Vec<_> = (0..3).map(|_| join(&runtime, &run.lead.url)).collect();
    for link in &mut links {
        link.open(&layout()).unwrap();
    }
    for step in 0..20 {
        for (worker, link) in links.iter_mut().enumerate() {
            let weights = link.weights().unwrap();
            let step = if worker == 1 { step + 8 } else { step };
            link.push(&mut contribution(&weights, step)).unwrap();
        }
    }
    let last = links[0].weights().unwrap();
    let bits = last.parameters.iter().map(|value| value.to_bits());
    (last.version, bits.collect())
}

#[test]
fn rounds_do_not_depend_on_the_number_of_shards() {
    let one = trained_in_rounds(1);
    assert_eq!(one.0, 20);
    for shards in [2, 4] {
        assert!(trained_in_rounds(shards) == one, "{shards} shards");
    }
}

#[test]
fn synchronous_workers_train_over_two_learners_and_go_on_from_a_checkpoint() {
    let rounds = "--set learner.staleness=synchronous --set learner.publish.updates=1 --set checkpoint.interval_s=1";
    let run = Sharded::start(2, &format!("--steps 1000000000 {rounds}"));
    let actor = run.actor();
    run.lead.process.wait_for("checkpoint written");
    let scratch = run.drain();
    actor.kill();
    let reached = scratch.run_files("run").state()["counters"]["env_steps"].clone();
    let steps = reached.as_u64().unwrap() + 50_000;
    let line = format!("--resume --steps {steps}");
    let mut run = Sharded::start_in(scratch, 2, &line);
    let actor = run.actor();
    run.lead.process.wait().expect_code(0);
    run.others.remove(0).wait().expect_code(0);
    actor.wait().expect_code(0);
    let summary = run.scratch.run_files("run").summary();
    assert!(summary["env_steps"].as_u64() >= Some(steps), "{summary}");
}

#[test]
fn a_run_over_two_learners_comes_to_its_end_and_all_know() {
    let _serial = serial();
    let mut run = Sharded::start(2, "--steps 20000");
    let actor = run.actor();
    run.lead.process.wait().expect_code(0);
    run.others.remove(0).wait().expect_code(0);
    actor.wait().expect_code(0);
    let summary = run.scratch.run_files("run").summary();
    assert!(summary["updates"].as_f64() > Some(50.0), "{summary}");
}

#[test]
fn workers_wait_for_all_shards_and_a_lost_one_ends_the_run() {
    let _serial = serial();
    let scratch = Scratch::new();
    let line =
        "--experiment cartpole --run-dir run --set learner.shards=2 --set actor.give_up_after_s=2";
    let lead = Learner::start(&scratch, line);
    let actor = scratch.start(&format!("troop-actor --learner {}", lead.url));
    actor.wait_for("shard 1 of 2 is not there");
    let second = shard(&scratch, &lead.url, 1);
    poll_until("ten updates", || {
        let applied = lead.http.metrics().value("troop_learner_version");
        (applied > 10.0).then_some(())
    });
    second.signal(Signal::KILL);
    lead.process
        .wait()
        .expect_code(1)
        .expect_text("shard 1 is gone");
}

#[test]
fn what_cannot_work_is_refused_with_what_to_do() {
    let scratch = Scratch::new();
    scratch
        .run("troop train cartpole --set learner.shards=2")
        .expect_text("troop-learner --shard");
    let line = "--experiment cartpole --run-dir run --set learner.shards=2";
    let lead = Learner::start(&scratch, line);
    shard(&scratch, &lead.url, 2)
        .wait()
        .expect_code(1)
        .expect_text("no shard 2 in a run of 2");
}
