//! A learner that answers when the test says so.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming};
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::parameter_server_server::{ParameterServer, ParameterServerServer};
use troop_common::proto::v1::train_request::Kind as Up;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{
    Acknowledgement, AttachReplayRequest, AttachReplayResponse, Encoding, GradientChunk,
    JoinRequest, JoinResponse, Opened, StatusRequest, StatusResponse, TrainRequest, TrainResponse,
    Vector, Verdict, WatchRequest, WeightsChunk,
};
use troop_common::wire;

use crate::rig::runtime;

/// What does not happen within this time will not.
const LIMIT: Duration = Duration::from_secs(60);

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

pub(crate) struct FakeLearner {
    pub(crate) address: SocketAddr,
    pub(crate) epoch: Arc<AtomicU64>,
    sessions: mpsc::Receiver<FakeSession>,
    runtime: Runtime,
}

/// A session whose stream is open.
pub(crate) struct FakeSession {
    epoch: u64,
    layout: Layout,
    inbound: Streaming<TrainRequest>,
    outbound: mpsc::Sender<Result<TrainResponse, Status>>,
    handle: tokio::runtime::Handle,
}

impl FakeLearner {
    pub(crate) fn start(experiment: &Experiment) -> Self {
        let runtime = runtime();
        let (opened, sessions) = mpsc::channel(16);
        let epoch = Arc::new(AtomicU64::new(1));
        let service = FakeService {
            experiment: experiment.to_toml().unwrap(),
            epoch: Arc::clone(&epoch),
            opened,
        };
        let bind = tokio::net::TcpListener::bind("127.0.0.1:0");
        let listener = runtime.block_on(bind).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(
            tonic::transport::Server::builder()
                .add_service(ParameterServerServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener)),
        );
        Self {
            address,
            epoch,
            sessions,
            runtime,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn session(&mut self) -> FakeSession {
        let recv = self.sessions.recv();
        let session = self
            .runtime
            .block_on(async { tokio::time::timeout(LIMIT, recv).await });
        session.expect("a session must open").unwrap()
    }
}

impl FakeSession {
    fn send(&self, kind: Down) {
        let response = TrainResponse { kind: Some(kind) };
        self.handle
            .block_on(self.outbound.send(Ok(response)))
            .unwrap();
    }

    pub(crate) fn publish(&self, version: u64) {
        self.publish_in(self.epoch, version);
    }

    pub(crate) fn publish_in(&self, epoch: u64, version: u64) {
        let values = vec![version as f32; self.layout.len()];
        let chunk = wire::encode(&values, Encoding::F32).remove(0);
        self.send(Down::Weights(WeightsChunk {
            epoch,
            version,
            env_steps: 0,
            vector: Vector::Parameters.into(),
            taken_at_version: version,
            offset_elements: 0,
            total_elements: values.len() as u64,
            encoding: Encoding::F32.into(),
            data: chunk.data,
            ..WeightsChunk::default()
        }));
    }

    pub(crate) fn answer(&self, sequence: u64, verdict: Verdict) {
        self.answer_at(sequence, verdict, 0);
    }

    /// Answers as a learner that is at `version`.
    pub(crate) fn answer_at(&self, sequence: u64, verdict: Verdict, version: u64) {
        self.send(Down::Acknowledgement(Acknowledgement {
            sequence,
            verdict: verdict.into(),
            version,
            ..Acknowledgement::default()
        }));
    }

    /// The next gradient; none once the worker has left.
    pub(crate) fn gradient(&mut self) -> Option<GradientChunk> {
        let message = self.inbound.message();
        let message = self
            .handle
            .block_on(async { tokio::time::timeout(LIMIT, message).await });
        match message.expect("a gradient must come").ok()??.kind {
            Some(Up::Gradient(chunk)) => Some(chunk),
            other => panic!("{other:?} came; expected a gradient"),
        }
    }
}

struct FakeService {
    experiment: String,
    epoch: Arc<AtomicU64>,
    opened: mpsc::Sender<FakeSession>,
}

#[tonic::async_trait]
impl ParameterServer for FakeService {
    type TrainStream = Answers<TrainResponse>;
    type WatchStream = Answers<WeightsChunk>;
    type AttachReplayStream = Answers<AttachReplayResponse>;

    async fn join(&self, _: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        Ok(Response::new(JoinResponse {
            session: 1,
            epoch: self.epoch.load(Ordering::Relaxed),
            worker_index: 0,
            experiment: self.experiment.clone(),
            run: "fake".into(),
            secret: 7,
            replays: None,
            shards: None,
        }))
    }

    async fn train(
        &self,
        request: Request<Streaming<TrainRequest>>,
    ) -> Result<Response<Self::TrainStream>, Status> {
        let mut inbound = request.into_inner();
        let Some(Up::Open(open)) = inbound.message().await?.and_then(|message| message.kind) else {
            panic!("a session must begin with Open");
        };
        let layout = Layout::try_from(open.layout.unwrap()).unwrap();
        let (outbound, stream) = mpsc::channel(16);
        let opened = Opened {
            layout_fingerprint: layout.fingerprint(),
        };
        let first = TrainResponse {
            kind: Some(Down::Opened(opened)),
        };
        outbound.send(Ok(first)).await.unwrap();
        let session = FakeSession {
            epoch: self.epoch.load(Ordering::Relaxed),
            layout,
            inbound,
            outbound,
            handle: tokio::runtime::Handle::current(),
        };
        self.opened.send(session).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn attach_replay(
        &self,
        _: Request<Streaming<AttachReplayRequest>>,
    ) -> Result<Response<Self::AttachReplayStream>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }

    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        Err(Status::unimplemented("not part of these tests"))
    }
}
