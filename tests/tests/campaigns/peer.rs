//! The contract spoken by hand, to say what no worker of ours would.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::StreamBody;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};
use tower_service::Service;
use troop_common::layout::{Initializer, Layout, TensorSpec};
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::parameter_server_client::ParameterServerClient;
use troop_common::proto::v1::train_request::Kind as Up;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{
    Acknowledgement, Encoding, Episode, GradientChunk, JoinRequest, JoinResponse, LoneReport,
    LossTerm, Open, Report, TrainRequest, TrainResponse,
};
use troop_common::wire;

/// Parameters of every run of a campaign, unless it says otherwise.
pub(crate) const ELEMENTS: usize = 64;

/// Longer than a learner takes to answer, or to end what it does not answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(60);

/// What a learner is told that answers nothing and ends nothing.
pub(crate) const NO_ANSWER: &str = "no answer and no end";

/// A runtime with a thread of its own: connections that nobody speaks on stay alive, for a library
/// answers their pings.
pub(crate) fn runtime() -> Runtime {
    let builder = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    builder.expect("a runtime can be made")
}

pub(crate) fn layout(elements: usize) -> Layout {
    let spec = TensorSpec {
        name: "w".into(),
        shape: vec![elements],
        initializer: Initializer::Uniform(1.0),
    };
    Layout::new(vec![spec]).expect("it is a layout")
}

pub(crate) fn join_request() -> JoinRequest {
    JoinRequest {
        protocol: PROTOCOL,
        worker: "campaign/0".into(),
        software: "a campaign".into(),
        ..JoinRequest::default()
    }
}

/// The first message of the stream of a session that has joined.
pub(crate) fn open(joined: &JoinResponse, elements: usize) -> Open {
    Open {
        session: joined.session,
        secret: joined.secret,
        layout: Some((&layout(elements)).into()),
    }
}

/// A gradient that is right in every respect, in one chunk.
pub(crate) fn gradient(sequence: u64, values: &[f32]) -> GradientChunk {
    let episode = Episode {
        return_sum: 20.0,
        length: 20,
    };
    let loss = LossTerm {
        term: "policy".into(),
        value: 0.5,
    };
    GradientChunk {
        sequence,
        epoch: 1,
        version: 0,
        offset_elements: 0,
        total_elements: values.len() as u64,
        encoding: Encoding::F32.into(),
        data: wire::encode(values, Encoding::F32).remove(0).data,
        report: Some(Report {
            env_steps: 8,
            frames: 8,
            episodes: vec![episode],
            losses: vec![loss],
            ..Report::default()
        }),
        slice: None,
        gradients: 0,
    }
}

/// One connection.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) client: ParameterServerClient<Channel>,
    channel: Channel,
}

impl Peer {
    pub(crate) async fn connect(url: &str) -> Result<Self, Status> {
        let endpoint = Endpoint::from_shared(url.to_owned()).expect("it is an address");
        let connected = endpoint.connect_timeout(ANSWER).connect().await;
        let channel = connected.map_err(|error| Status::unavailable(error.to_string()))?;
        let client = ParameterServerClient::new(channel.clone())
            .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
            .max_encoding_message_size(usize::MAX);
        Ok(Self { client, channel })
    }

    pub(crate) async fn join(&mut self, request: JoinRequest) -> Result<JoinResponse, Status> {
        within(self.client.join(request))
            .await
            .map(tonic::Response::into_inner)
    }

    /// Begins a call with these bytes of its body, and lets it wait for more as long as what is
    /// given back lives.
    pub(crate) async fn begin(&mut self, path: &str, bytes: Vec<u8>) -> Result<Unfinished, Status> {
        let (more, rest) = mpsc::channel::<Bytes>(1);
        more.try_send(bytes.into()).expect("there is room for one");
        let frames =
            ReceiverStream::new(rest).map(|data| Ok::<_, Status>(http_body::Frame::data(data)));
        let request = http::Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(StreamBody::new(frames)))
            .expect("it is a request");
        let ready = std::future::poll_fn(|context| self.channel.poll_ready(context)).await;
        ready.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Unfinished {
            _more: more,
            _answer: tokio::spawn(self.channel.call(request)),
        })
    }
}

/// A call whose body has no end, and whose answer nobody reads.
pub(crate) struct Unfinished {
    _more: mpsc::Sender<Bytes>,
    _answer: JoinHandle<Result<http::Response<Body>, tonic::transport::Error>>,
}

/// A session whose stream is open.
pub(crate) struct Session {
    pub(crate) epoch: u64,
    /// Of the newest weights that have come.
    pub(crate) version: u64,
    requests: mpsc::Sender<TrainRequest>,
    responses: Streaming<TrainResponse>,
}

impl Session {
    /// Joins, opens, and waits until it is open.
    pub(crate) async fn open(peer: &mut Peer) -> Result<Self, Status> {
        Self::open_with(peer, ELEMENTS).await
    }

    /// The same with as many parameters.
    pub(crate) async fn open_with(peer: &mut Peer, elements: usize) -> Result<Self, Status> {
        let joined = peer.join(join_request()).await?;
        let mut session = Self::begin(peer, open(&joined, elements)).await?;
        session.epoch = joined.epoch;
        match session.next().await? {
            Down::Opened(_) => Ok(session),
            other => Err(Status::internal(format!("{other:?} came; expected Opened"))),
        }
    }

    /// Begins a stream.
    pub(crate) async fn begin(peer: &mut Peer, open: Open) -> Result<Self, Status> {
        let (requests, stream) = mpsc::channel(64);
        let first = TrainRequest {
            kind: Some(Up::Open(open)),
        };
        requests.try_send(first).expect("there is room");
        let responses = within(peer.client.train(ReceiverStream::new(stream))).await?;
        Ok(Self {
            epoch: 1,
            version: 0,
            requests,
            responses: responses.into_inner(),
        })
    }

    pub(crate) async fn send(&self, chunk: GradientChunk) -> Result<(), Status> {
        let kind = Some(Up::Gradient(chunk));
        let sent = self.requests.send(TrainRequest { kind }).await;
        sent.map_err(|_| Status::aborted("the stream has ended"))
    }

    /// Says what happened without a gradient.
    pub(crate) async fn report(&self, lone: LoneReport) -> Result<(), Status> {
        let kind = Some(Up::Report(lone));
        let sent = self.requests.send(TrainRequest { kind }).await;
        sent.map_err(|_| Status::aborted("the stream has ended"))
    }

    /// The next response.
    pub(crate) async fn next(&mut self) -> Result<Down, Status> {
        let response = within(self.responses.message()).await?;
        let kind = response.and_then(|response| response.kind);
        kind.ok_or_else(|| Status::aborted("the stream has ended"))
    }

    /// The next answer to a gradient.
    pub(crate) async fn answer(&mut self) -> Result<Acknowledgement, Status> {
        loop {
            match self.next().await? {
                Down::Acknowledgement(answer) => return Ok(answer),
                Down::Weights(chunk) => self.version = chunk.version,
                Down::Control(control) => return Err(Status::aborted(control.reason)),
                Down::Replays(_) => {}
                Down::Opened(_) => return Err(Status::internal("a session opens once")),
            }
        }
    }
}

/// What comes in time; a learner that leaves somebody waiting for ever is at fault.
async fn within<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    answer.unwrap_or_else(|_| Err(Status::deadline_exceeded(NO_ANSWER)))
}
