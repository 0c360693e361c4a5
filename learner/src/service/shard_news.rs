use tokio::sync::mpsc;
use tonic::Status;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_response::Kind as Down;
use troop_common::wire::Outgoing;

use crate::cut::Part;

/// What a shard is told over its stream.
pub(super) struct ShardNews {
    /// What it begins with, if it does not draw that, and the layout of the whole.
    pub(super) beginning: Option<(Part, Layout)>,
    /// What is said in cuts.
    pub(super) told: mpsc::Receiver<Down>,
}

/// Sends what there is to `down`; of a replay, nothing. It never completes, unless nobody listens any more.
pub(super) async fn tell(news: Option<ShardNews>, down: mpsc::Sender<Result<Outgoing, Status>>) {
    if let Some(news) = news {
        let _ = news.tell(&down).await;
    }
    std::future::pending::<()>().await;
}

impl ShardNews {
    async fn tell(
        mut self,
        down: &mpsc::Sender<Result<Outgoing, Status>>,
    ) -> Result<(), mpsc::error::SendError<Result<Outgoing, Status>>> {
        if let Some((part, layout)) = self.beginning.take() {
            let head = part.head(0, Some(&layout));
            down.send(Ok(message(Down::Part(head)))).await?;
            for chunk in part.chunks(0) {
                down.send(Ok(message(Down::Chunk(chunk)))).await?;
            }
        }
        while let Some(said) = self.told.recv().await {
            down.send(Ok(message(said))).await?;
        }
        Ok(())
    }
}

/// What goes down to a replay or a shard.
pub(super) fn message(kind: Down) -> Outgoing {
    Outgoing::new(&v1::AttachReplayResponse { kind: Some(kind) })
}
