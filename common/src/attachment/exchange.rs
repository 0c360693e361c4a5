use crate::proto::v1::CutGivenUp;
use crate::proto::v1::attach_replay_request::Kind as Up;
use crate::proto::v1::attach_replay_response::Kind as Down;
use tokio::sync::mpsc;

/// What a shard and its lead say to each other beside what every attachment tells. What is said while the connection is
/// lost waits, or is lost with it.
#[derive(Debug)]
pub struct Exchange {
    /// What the lead says is handed on here.
    pub told: mpsc::Sender<Down>,
    /// What the shard says is taken from here.
    pub tells: mpsc::Receiver<Up>,
}

impl Exchange {
    /// What the shard says next; never for who has no exchange, or says no more.
    pub(super) async fn next(exchange: &mut Option<Self>) -> Up {
        if let Some(exchange) = exchange
            && let Some(said) = exchange.tells.recv().await
        {
            return said;
        }
        std::future::pending().await
    }

    /// The connection is lost, and with it what was said in a cut.
    pub(super) fn lost(exchange: &Option<Self>) {
        if let Some(exchange) = exchange {
            // One that has more to read than that is in no cut.
            let _ = exchange.told.try_send(Down::GivenUp(CutGivenUp::default()));
        }
    }

    /// Hands on what the lead has said.
    pub(super) async fn hand_on(exchange: &Option<Self>, said: Down) {
        if let Some(exchange) = exchange {
            // Nobody listens any more if the shard ends.
            let _ = exchange.told.send(said).await;
        }
    }
}
