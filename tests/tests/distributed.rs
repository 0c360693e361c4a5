//! A learner and actors as processes of their own, and what happens when one of them goes away.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;
use troop_tests::{
    Endpoint, Finished, Learner, Process, ReservedPort, Scratch, Signal, poll_until, serial,
};

/// More than any machine does before a test ends it.
const ENDLESS: &str = "--steps 1000000000";

/// What an actor says once it has lost the learner, or has not found it yet.
const AWAY: &str = "no connection to the learner; trying again";

#[test]
fn two_actors_solve_cartpole_although_one_is_killed_and_replaced() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        "--experiment cartpole --steps 3000000 --run-dir run",
    );
    let (first, second) = (actor(&scratch, &learner), actor(&scratch, &learner));
    wait_for_work_of(&learner, &[1, 2]);
    check_metrics(learner.http);
    first.kill();
    poll_until("the killed actor's session to end", || {
        (sessions(&learner).len() == 1).then_some(())
    });
    let third = actor(&scratch, &learner);
    wait_for_work_of(&learner, &[3]);
    assert_eq!(learner.http.get("/healthz").status, 200);
    for process in [learner.process, second, third] {
        process.wait().expect_code(0);
    }
    let summary = scratch.run_files("run").summary();
    assert!(steps(&summary) >= 3_000_000, "{summary}");
    assert!(summary["seconds_to_solve"].is_f64(), "{summary}");
}

#[test]
fn workers_that_share_a_session_send_sums_and_all_is_counted() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        "--experiment cartpole --steps 200000 --run-dir run --set actor.relay_workers=2",
    );
    let line = format!("troop-actor --learner {} --workers 3", learner.url);
    let actor = scratch.start(&line);
    let open = poll_until("both sessions", || {
        let open = sessions(&learner);
        (open.len() == 2).then_some(open)
    });
    learner.process.wait().expect_code(0);
    actor.wait().expect_code(0);
    let summary = scratch.run_files("run").summary();
    assert!(steps(&summary) >= 200_000, "{summary}");
    // 256 env steps each; some were on their way at the end.
    let made = steps(&summary) / 256;
    let applied = summary["gradients"]["applied"].as_u64().unwrap();
    assert!((made - 8..=made).contains(&applied), "{open:?} {summary}");
    assert!(summary["updates"].as_u64() < Some(applied), "{summary}");
}

#[test]
fn a_learner_writes_where_it_listens() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch.write("address", "gRPC http://127.0.0.1:1\n");
    let options = format!("--experiment cartpole {ENDLESS} --address-file address");
    let learner = Learner::start(&scratch, &options);
    let written = poll_until("the file", || {
        fs::read_to_string(scratch.path().join("address")).ok()
    });
    let expected = format!(
        "gRPC {}\nHTTP http://{}\n",
        learner.url, learner.http.address
    );
    assert_eq!(written, expected);
}

#[test]
fn processes_tell_of_their_health_and_of_what_runs_beside_them() {
    let _serial = serial();
    let scratch = Scratch::new();
    let links = "--link Prometheus=http://localhost:9090 --link Grafana=http://localhost:3000";
    let learner = Learner::start(
        &scratch,
        &format!("--experiment cartpole {ENDLESS} {links}"),
    );
    let last = learner.process.wait_for("Grafana  http://localhost:3000");
    assert_eq!(last, "Grafana  http://localhost:3000");
    assert_eq!(
        learner
            .process
            .count_lines("Prometheus  http://localhost:9090"),
        1
    );
    let actor = scratch.start(&format!(
        "troop-actor --learner {} --http 127.0.0.1:0",
        learner.url
    ));
    let actor_address = actor.address_after("HTTP  http://");
    let probe = |program: &str, address| scratch.run(&format!("{program} --probe {address}"));
    probe("troop-learner", learner.http.address).expect_code(0);
    probe("troop-actor", actor_address).expect_code(0);
    drop(actor.kill());
    probe("troop-actor", actor_address)
        .expect_code(1)
        .expect_text("no answer");
}

#[test]
fn actors_find_a_killed_learner_again_in_its_next_epoch() {
    let _serial = serial();
    let scratch = Scratch::new();
    let port = ReservedPort::new();
    let listen = format!("--listen {} --run-dir run", port.address);
    // Both are back long before the second life ends.
    let settings = "--set checkpoint.interval_s=1 --set actor.reconnect_max_ms=100";
    let options = format!("--experiment cartpole {ENDLESS} {settings}");
    let learner = Learner::start(&scratch, &format!("{options} {listen}"));
    let actors = [actor(&scratch, &learner), actor(&scratch, &learner)];
    let run = scratch.run_files("run");
    poll_until("a checkpoint", || run.checkpoints().pop());
    learner.process.kill();
    actors.iter().for_each(|actor| drop(actor.wait_for(AWAY)));

    let kept = steps(&run.state()["counters"]);
    let enough = kept + 2_000_000;
    let learner = Learner::start(&scratch, &format!("--resume {listen} --steps {enough}"));
    let status = learner.http.status();
    assert_eq!(status["epoch"], 2);
    assert!(steps(&status["progress"]) >= kept, "{status}");
    learner.process.wait().expect_code(0);
    for actor in actors {
        let actor = actor.wait().expect_code(0);
        assert_eq!(actor.count_lines(AWAY), 1, "{actor:?}");
        assert_eq!(actor.count_lines("the learner is back"), 1, "{actor:?}");
    }
    assert_eq!(run.state()["epoch"], 2);
    assert!(steps(&run.summary()) >= enough);
}

#[test]
fn an_actor_gives_up_on_a_learner_that_never_comes_back() {
    let _serial = serial();
    let scratch = Scratch::new();
    let options = format!("--experiment cartpole {ENDLESS} --set actor.give_up_after_s=1");
    let learner = Learner::start(&scratch, &options);
    let actor = actor(&scratch, &learner);
    wait_for_work_of(&learner, &[1]);
    learner.process.kill();
    let actor = actor.wait().expect_code(1);
    let actor = actor.expect_text("gave up after 1 s (`actor.give_up_after_s`)");
    assert_eq!(actor.count_lines(AWAY), 1, "{actor:?}");
}

#[test]
fn an_actor_that_never_finds_its_learner_gives_up_when_its_flag_says() {
    let scratch = Scratch::new();
    let port = ReservedPort::new();
    let url = format!("http://{}", port.address);
    let actor = scratch.start(&format!("troop-actor --learner {url} --give-up-after-s 1"));
    let actor = actor.wait().expect_code(1);
    let actor = actor
        .expect_text(&format!("learner at {url}: gave up after 1 s"))
        .expect_text("start the learner first, or set --learner or --give-up-after-s");
    assert_eq!(actor.count_lines(AWAY), 1, "{actor:?}");
}

#[test]
fn an_actor_that_comes_first_waits_for_its_learner() {
    let _serial = serial();
    let scratch = Scratch::new();
    let port = ReservedPort::new();
    let actor = actor_at(&scratch, &format!("http://{}", port.address));
    actor.wait_for(AWAY);
    let options = format!(
        "--experiment cartpole --steps 50000 --listen {}",
        port.address
    );
    let learner = Learner::start(&scratch, &options);
    learner.process.wait().expect_code(0);
    let actor = actor.wait().expect_code(0).expect_text("actor joined");
    assert_eq!(actor.count_lines(AWAY), 1, "{actor:?}");
}

#[test]
fn a_learner_that_is_told_to_stop_drains_and_checkpoints() {
    let _serial = serial();
    for (signal, code) in [(Signal::TERM, 0), (Signal::INT, 130)] {
        let scratch = Scratch::new();
        let options = format!("--experiment cartpole {ENDLESS} --run-dir run");
        let learner = Learner::start(&scratch, &options);
        let actor = actor(&scratch, &learner);
        wait_for_work_of(&learner, &[1]);
        learner.process.signal(signal);
        learner
            .process
            .wait()
            .expect_code(code)
            .expect_text("checkpoint written");
        let run = scratch.run_files("run");
        assert_eq!(
            run.state()["counters"]["env_steps"],
            run.summary()["env_steps"]
        );
        assert!(steps(&run.summary()) > 0);
        // It may come back: the actor waits for it.
        actor.wait_for(AWAY);
        actor.signal(Signal::TERM);
        actor.wait().expect_code(0);
    }
}

/// A wide network takes seconds to draw. Meanwhile the learner answers, and ends when it is told to.
#[test]
fn a_learner_that_draws_a_wide_network_answers_and_can_be_told_to_stop() {
    let _serial = serial();
    let scratch = Scratch::new();
    let wide = "--experiment cartpole --set model.hidden=[5500,5500]";
    let learner = Learner::start(&scratch, wide);
    let actors = [actor(&scratch, &learner), actor(&scratch, &learner)];
    learner.process.wait_for("drawing the first parameters");
    let asked = Instant::now();
    assert_eq!(learner.http.get("/healthz").status, 200);
    poll_until("both actors' sessions", || {
        (sessions(&learner).len() == 2).then_some(())
    });
    assert_eq!(learner.http.status()["version"], 0);
    let answered = asked.elapsed();
    learner.process.signal(Signal::TERM);
    let told = Instant::now();
    learner.process.wait().expect_code(0);
    let ended = told.elapsed();
    let quick = answered < Duration::from_secs(20) && ended < Duration::from_secs(4);
    assert!(quick, "answered in {answered:?}, ended in {ended:?}");
    for actor in actors {
        actor.kill();
    }
}

#[test]
fn a_network_that_no_machine_has_memory_for_ends_its_worker_with_the_reason() {
    let _serial = serial();
    let scratch = Scratch::new();
    let vast = "--experiment cartpole --set model.hidden=[512] --set learner.staleness=compensate \
                --set learner.compensation_history=1000000000";
    let learner = Learner::start(&scratch, vast);
    actor(&scratch, &learner)
        .wait()
        .expect_code(1)
        .expect_text("bytes at the learner")
        .expect_text("use a smaller network");
    assert_eq!(learner.http.get("/healthz").status, 200);
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
}

#[test]
fn an_actor_that_is_told_to_stop_leaves_and_the_run_goes_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(&scratch, &format!("--experiment cartpole {ENDLESS}"));
    for (session, (signal, code)) in (1..).zip([(Signal::TERM, 0), (Signal::INT, 130)]) {
        let actor = actor(&scratch, &learner);
        wait_for_work_of(&learner, &[session]);
        actor.signal(signal);
        actor.wait().expect_code(code);
        poll_until("the session's end", || {
            sessions(&learner).is_empty().then_some(())
        });
    }
    assert_eq!(learner.http.status()["phase"], "running");
}

#[test]
fn an_actor_without_its_environment_says_why_and_the_learner_goes_on() {
    let _serial = serial();
    let scratch = Scratch::new();
    let learner = Learner::start(
        &scratch,
        "--experiment cartpole --set environment.id=Lost-v0",
    );
    let actor: Finished = actor(&scratch, &learner).wait();
    actor
        .expect_code(1)
        .expect_text("environment `Lost-v0` cannot start")
        .expect_text("1 of 1 workers failed");
    assert_eq!(learner.http.status()["phase"], "running");
    learner.process.signal(Signal::TERM);
    learner.process.wait().expect_code(0);
}

#[test]
fn only_who_has_the_token_comes_in() {
    let _serial = serial();
    let scratch = Scratch::new();
    scratch.write("token", "open-sesame\n");
    scratch.write("wrong", "open-barley\n");
    let options = format!("--experiment cartpole {ENDLESS} --set security.token_file=token");
    let learner = Learner::start(&scratch, &options);
    let actor = |flags: &str| {
        let url = &learner.url;
        scratch.start(&format!("troop-actor --learner {url} --workers 1 {flags}"))
    };
    for flags in ["", "--token-file wrong"] {
        actor(flags).wait().expect_code(1).expect_text("token");
    }
    let admitted = actor("--token-file token");
    let header = ["Authorization: Bearer open-sesame"];
    poll_until("the session to work", || {
        let metrics = learner.http.try_get("/metrics", &header).unwrap();
        assert_eq!(metrics.status, 200);
        (!metrics.body.contains("\ntroop_learner_env_steps_total 0\n")).then_some(())
    });
    for path in ["/metrics", "/api/status"] {
        assert_eq!(learner.http.get(path).status, 401, "{path}");
    }
    assert_eq!(learner.http.get("/healthz").status, 200);
    drop(admitted);
}

fn actor(scratch: &Scratch, learner: &Learner) -> Process {
    actor_at(scratch, &learner.url)
}

fn actor_at(scratch: &Scratch, url: &str) -> Process {
    scratch.start(&format!("troop-actor --learner {url} --workers 1"))
}

fn steps(counters: &Value) -> u64 {
    counters["env_steps"].as_u64().unwrap()
}

fn sessions(learner: &Learner) -> Vec<Value> {
    learner.http.status()["sessions"]
        .as_array()
        .unwrap()
        .clone()
}

/// Waits until each of these sessions has had a gradient applied.
fn wait_for_work_of(learner: &Learner, expected: &[u64]) {
    poll_until("gradients of every session", || {
        let sessions = sessions(learner);
        let works = |id: &u64| {
            let mut found = sessions.iter().filter(|session| session["session"] == *id);
            found.any(|session| session["gradients_applied"].as_u64() > Some(0))
        };
        expected.iter().all(works).then_some(())
    });
}

/// Staleness, throughput and returns of a run with two sessions.
fn check_metrics(http: Endpoint) {
    poll_until("an episode", || {
        let episodes = http.metrics().value("troop_learner_episodes_total");
        (episodes > 0.0).then_some(())
    });
    let metrics = http.metrics();
    assert_eq!(metrics.value("troop_learner_sessions"), 2.0);
    assert_eq!(metrics.value("troop_learner_epoch"), 1.0);
    for name in [
        "troop_learner_env_steps_total",
        "troop_learner_frames_total",
        "troop_learner_episode_return_sum",
        "troop_learner_episode_return_mean",
        "troop_learner_gradient_staleness_updates_count",
        "troop_learner_gradients_applied_total",
        "troop_learner_received_bytes_total",
        "troop_learner_sent_bytes_total",
        "troop_learner_version",
        "troop_learner_learning_rate",
    ] {
        assert!(metrics.value(name) > 0.0, "{name}");
    }
    let staleness = "troop_learner_gradient_staleness_updates";
    let everything = metrics.value(&format!("{staleness}_bucket{{le=\"+Inf\"}}"));
    assert_eq!(everything, metrics.value(&format!("{staleness}_count")));
    let status = http.status();
    assert_eq!(status["experiment"], "cartpole");
    assert_eq!(status["phase"], "running");
    assert!(steps(&status["progress"]) > 0, "{status}");
}
