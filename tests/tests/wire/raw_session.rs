//! A session without a link, to say what a link never would.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use troop_common::layout::Layout;
use troop_common::proto::PROTOCOL;
use troop_common::proto::v1::parameter_server_client::ParameterServerClient;
use troop_common::proto::v1::train_request::Kind as Up;
use troop_common::proto::v1::train_response::Kind as Down;
use troop_common::proto::v1::{
    Acknowledgement, Control, Encoding, GradientChunk, JoinRequest, Open, Report, TrainRequest,
    TrainResponse,
};
use troop_common::wire;

pub(crate) type Client = ParameterServerClient<Channel>;

pub(crate) async fn connect(url: &str) -> Client {
    ParameterServerClient::connect(url.to_owned())
        .await
        .unwrap()
        .max_decoding_message_size(wire::MAX_MESSAGE_BYTES)
}

pub(crate) fn join_request() -> JoinRequest {
    JoinRequest {
        protocol: PROTOCOL,
        worker: "raw/0".into(),
        ..JoinRequest::default()
    }
}

pub(crate) struct RawSession {
    pub(crate) requests: mpsc::Sender<TrainRequest>,
    pub(crate) responses: Streaming<TrainResponse>,
}

impl RawSession {
    pub(crate) async fn open(url: &str, layout: &Layout) -> Self {
        let mut client = connect(url).await;
        let joined = client.join(join_request()).await.unwrap().into_inner();
        let open = Open {
            session: joined.session,
            layout: Some(layout.into()),
            secret: joined.secret,
        };
        let mut session = Self::begin(&mut client, Up::Open(open)).await.unwrap();
        match session.next().await.unwrap() {
            Some(Down::Opened(_)) => session,
            other => panic!("{other:?} came; expected Opened"),
        }
    }

    pub(crate) async fn begin(client: &mut Client, first: Up) -> Result<Self, Status> {
        let (requests, stream) = mpsc::channel(64);
        let first = TrainRequest { kind: Some(first) };
        requests.send(first).await.unwrap();
        let responses = client
            .train(ReceiverStream::new(stream))
            .await?
            .into_inner();
        Ok(Self {
            requests,
            responses,
        })
    }

    pub(crate) async fn send(&self, chunk: GradientChunk) {
        let kind = Some(Up::Gradient(chunk));
        self.requests.send(TrainRequest { kind }).await.unwrap();
    }

    /// The next response; none at the stream's end.
    pub(crate) async fn next(&mut self) -> Result<Option<Down>, Status> {
        let response = tokio::time::timeout(Duration::from_secs(60), self.responses.message());
        let response = response.await.expect("a response must come")?;
        Ok(response.map(|response| response.kind.unwrap()))
    }

    /// The next answer to a gradient.
    pub(crate) async fn answer(&mut self) -> Acknowledgement {
        loop {
            match self.next().await.unwrap().expect("an answer must come") {
                Down::Acknowledgement(answer) => return answer,
                Down::Weights(_) => {}
                other => panic!("{other:?} came; expected an answer"),
            }
        }
    }

    /// The next control.
    pub(crate) async fn control(&mut self) -> Control {
        loop {
            match self.next().await.unwrap().expect("a control must come") {
                Down::Control(control) => return control,
                Down::Weights(_) | Down::Acknowledgement(_) => {}
                Down::Replays(_) => {}
                Down::Opened(_) => panic!("a session opens once"),
            }
        }
    }
}

/// A gradient in one chunk that is right in every respect.
pub(crate) fn gradient(sequence: u64, version: u64, values: &[f32]) -> GradientChunk {
    let chunk = wire::encode(values, Encoding::F32).remove(0);
    GradientChunk {
        sequence,
        epoch: 1,
        version,
        offset_elements: 0,
        total_elements: values.len() as u64,
        encoding: Encoding::F32.into(),
        data: chunk.data,
        report: Some(Report {
            env_steps: 1,
            ..Report::default()
        }),
        slice: None,
        gradients: 0,
    }
}
