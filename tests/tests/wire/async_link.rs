//! The link as a task drives it: one thread, a network of the caller's choice, virtual time.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::time::Instant;
use troop_actor::link::{
    AsyncLink, Connecting, Connector, Contribution, EndpointSettings, GrpcLink, Io, Link,
    LinkClosed,
};
use troop_common::experiment::ActorSettings;

use crate::fake_learner::FakeLearner;
use crate::rig::{Learner, endpoint, eventually, experiment, layout, runtime};

fn on_one_thread<T>(paused: bool, task: impl Future<Output = T>) -> T {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(paused).build();
    runtime.unwrap().block_on(task)
}

#[test]
fn a_task_works_through_a_connector_of_its_own() {
    let learner = Learner::start(&experiment());
    let address = learner.address;
    let dial = move || -> Connecting {
        Box::pin(async move { Ok(Box::new(TcpStream::connect(address).await?) as Box<dyn Io>) })
    };
    let settings = EndpointSettings {
        connector: Connector::Custom(Arc::new(move |_| dial())),
        ..endpoint("http://nowhere.invalid:7700")
    };
    on_one_thread(false, async {
        let (mut link, _, _) = AsyncLink::join(settings).await.unwrap();
        link.open(&layout(3)).await.unwrap();
        let weights = link.weights().await.unwrap();
        for value in [1.0, 2.0, 3.0] {
            let mut contribution = Contribution {
                epoch: weights.epoch,
                version: weights.version,
                gradient: vec![value; 3],
                ..Contribution::default()
            };
            link.push(&mut contribution).await.unwrap();
            assert_eq!(contribution.gradient.len(), 3, "a buffer is left");
        }
        link.leave().await;
    });
    eventually(|| learner.server.sessions().is_empty().then_some(()));
    let moved = layout(3).initialize(experiment().experiment.seed);
    let moved: Vec<f32> = moved.iter().map(|p| p - 0.5 - 1.0 - 1.5).collect();
    assert_eq!(learner.parameters(), moved);
}

/// When a worker looks for a learner that is nowhere, in virtual time from its start, and what it
/// says at last.
fn search(jitter_seed: u64) -> (Vec<Duration>, String) {
    let tries = Arc::new(Mutex::new(Vec::new()));
    on_one_thread(true, async {
        let start = Instant::now();
        let dial = {
            let tries = Arc::clone(&tries);
            move || -> Connecting {
                tries.lock().unwrap().push(start.elapsed());
                Box::pin(async { Err(io::ErrorKind::ConnectionRefused.into()) })
            }
        };
        let settings = EndpointSettings {
            connector: Connector::Custom(Arc::new(move |_| dial())),
            jitter_seed,
            actor: ActorSettings {
                give_up_after_s: 3600,
                ..ActorSettings::default()
            },
            ..endpoint("http://nowhere.invalid:7700")
        };
        let Err(LinkClosed::Failed(error)) = AsyncLink::join(settings).await else {
            panic!("nobody is there");
        };
        assert!(start.elapsed() >= Duration::from_secs(3600));
        let tries = std::mem::take(&mut *tries.lock().unwrap());
        (tries, error)
    })
}

#[test]
fn a_search_goes_by_virtual_time_and_by_its_seed() {
    let (tries, error) = search(1);
    assert!(error.contains("gave up after 3600 s"), "{error}");
    // Pauses of 2.5 to 5 s after the first few.
    assert!((720..1500).contains(&tries.len()), "{}", tries.len());
    assert_eq!(search(1).0, tries);
    assert_ne!(search(2).0, tries);
}

#[test]
fn a_runtime_that_shuts_down_leaves_no_worker_waiting() {
    let mut fake = FakeLearner::start(&experiment());
    let runtime = runtime();
    let (mut link, _, _) = GrpcLink::join(runtime.handle(), endpoint(&fake.url())).unwrap();
    link.open(&layout(3)).unwrap();
    let session = fake.session();
    let waiting = std::thread::spawn(move || link.weights());
    runtime.shutdown_timeout(Duration::from_secs(10));
    eventually(|| waiting.is_finished().then_some(()));
    let Err(LinkClosed::Failed(error)) = waiting.join().unwrap() else {
        panic!("there were no weights");
    };
    assert!(error.contains("runtime"), "{error}");
    drop(session);
}
