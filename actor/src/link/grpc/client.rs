use tonic::Status;
use tonic::body::Body;
use troop_common::dialling::Dialled;
use troop_common::proto::v1::parameter_server_client::ParameterServerClient;
use troop_common::proto::v1::{JoinRequest, JoinResponse};
use troop_common::wire::{self, Messages};

use super::requests::Requests;

/// The learner's calls that a worker makes, over one connection.
#[derive(Clone)]
pub(super) struct Client(pub(super) Dialled);

impl Client {
    /// Joins.
    ///
    /// # Errors
    /// If the connection fails, or the learner refuses.
    pub(super) async fn join(&self, request: JoinRequest) -> Result<JoinResponse, Status> {
        let mut calls = ParameterServerClient::new(self.0.clone());
        calls.join(request).await.map(tonic::Response::into_inner)
    }

    /// Opens a session's stream.
    ///
    /// # Errors
    /// If the connection fails, or the learner refuses.
    pub(super) async fn train(&mut self, requests: Requests) -> Result<Messages<Body>, Status> {
        wire::call(&mut self.0, wire::path::TRAIN, requests).await
    }
}
