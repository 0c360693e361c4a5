//! A worker's calls, from joining to the end of its stream, as the learner's service answers them.

use std::cell::RefCell;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use prost::Message;
use tokio::runtime::{Builder, Runtime};
use tonic::Status;
use tonic::body::Body;
use tower_service::Service as _;
use troop_common::experiment::Experiment;
use troop_common::proto::{PROTOCOL, v1};
use troop_common::wire::path;
use troop_learner::ParameterServer;
use troop_learner::metrics::Metrics;
use troop_learner::service::{Calls, Service};
use troop_learner::summary::Summary;

use super::bytes_in::BytesIn;

/// Inputs that one learner is given: what it holds for a session that has left is part of the test.
const INPUTS: usize = 500;

thread_local! {
    static LEARNER: RefCell<Option<Learner>> = const { RefCell::new(None) };
}

struct Learner {
    runtime: Runtime,
    server: Arc<ParameterServer>,
    calls: Calls,
    inputs_left: usize,
    /// Sessions that may have joined and never open: each holds a place for a while.
    joined: usize,
}

/// Feeds it with `data`.
pub fn run(data: &[u8]) {
    LEARNER.with_borrow_mut(|learner| {
        let mut used = learner.take().unwrap_or_else(Learner::new);
        used.take(BytesIn(data));
        used.inputs_left -= 1;
        *learner = (used.inputs_left > 0).then_some(used);
    });
}

impl Learner {
    fn new() -> Self {
        let mut experiment = Experiment::default();
        experiment.environment.normalize_observations = true;
        let metrics = Metrics::new().expect("metrics can be made");
        let server = Arc::new(ParameterServer::new(experiment, metrics));
        let runtime = Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime can be made");
        let service = Service::new(Arc::clone(&server)).expect("its experiment can be written");
        Self {
            runtime,
            calls: Calls(service),
            server,
            inputs_left: INPUTS,
            joined: 0,
        }
    }

    fn take(&mut self, mut input: BytesIn<'_>) {
        let kind = input.byte();
        let mut stream = Vec::new();
        match kind % 4 {
            0 => {
                self.call(path::JOIN, message(input.part()));
                self.joined += 1;
            }
            1 => {
                self.call(path::STATUS, message(input.part()));
            }
            2 => {}
            _ => stream = self.open(input.byte()),
        }
        while !input.is_empty() {
            stream.extend(message(input.part()));
        }
        self.call(path::TRAIN, stream);
        self.check();
    }

    /// Joins, and gives the stream's first message.
    fn open(&mut self, elements: usize) -> Vec<u8> {
        let join = v1::JoinRequest {
            protocol: PROTOCOL,
            worker: "fuzz".into(),
            ..v1::JoinRequest::default()
        };
        let answer = self.call(path::JOIN, message(&join.encode_to_vec()));
        let joined = answer.get(5..).map(v1::JoinResponse::decode);
        let Some(Ok(joined)) = joined else {
            return Vec::new();
        };
        let tensor = v1::Tensor {
            name: "w".into(),
            shape: vec![elements as u64],
            initializer: Some(v1::tensor::Initializer::UniformBound(1.0)),
        };
        let open = v1::Open {
            session: joined.session,
            secret: joined.secret,
            layout: Some(v1::Layout {
                tensors: vec![tensor],
            }),
        };
        let kind = Some(v1::train_request::Kind::Open(open));
        message(&v1::TrainRequest { kind }.encode_to_vec())
    }

    /// One call's whole answer; its end must come when the caller's has.
    fn call(&mut self, path: &str, body: Vec<u8>) -> Vec<u8> {
        let body = Full::new(Bytes::from(body)).map_err(|never| -> Status { match never {} });
        let request = Request::builder().uri(path).body(Body::new(body));
        let answer = self.calls.call(request.expect("it has a path"));
        self.runtime.block_on(async {
            let Ok(answer) = answer.await;
            let collected = answer.into_body().collect().await;
            let whole = collected.map(|whole| whole.to_bytes().to_vec());
            whole.unwrap_or_default()
        })
    }

    /// What people and files are told stays readable.
    fn check(&self) {
        let view = self.server.progress();
        assert!(
            view.return_mean_100
                .is_none_or(|mean| mean.get().is_finite()),
            "{view:?}"
        );
        let summary = serde_json::to_string(&Summary::of(&self.server));
        let read = serde_json::from_str::<Summary>(&summary.expect("it can be written"));
        read.expect("what was written can be read");
        assert!(
            self.server.sessions().len() <= self.joined,
            "an open session stays"
        );
    }
}

/// With the prefix that gRPC puts before each message.
fn message(bytes: &[u8]) -> Vec<u8> {
    let mut whole = vec![0];
    whole.extend((bytes.len() as u32).to_be_bytes());
    whole.extend(bytes);
    whole
}
