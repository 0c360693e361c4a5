use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_request::Kind as Up;
use troop_common::proto::v1::attach_replay_response::Kind as Down;

use crate::cut::{Part, PartGathering};
use crate::parameter_server::{ParameterServer, TakenPart};

/// The next piece of what a shard begins with comes within this time, or the lead is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// A shard's end of what it and its lead say to each other.
pub struct ShardFollower {
    /// What the lead says.
    told: mpsc::Receiver<Down>,
    /// What the shard says.
    tells: mpsc::Sender<Up>,
}

impl ShardFollower {
    /// One that hears from `told` and speaks to `tells`.
    pub fn new(told: mpsc::Receiver<Down>, tells: mpsc::Sender<Up>) -> Self {
        Self { told, tells }
    }

    /// Takes what `server` begins with from the lead.
    ///
    /// # Errors
    /// If it does not come, or cannot be its part.
    pub async fn begin(&mut self, server: &ParameterServer) -> Result<(), String> {
        let mut begun = None;
        loop {
            let next = timeout(PATIENCE, self.told.recv()).await;
            let next = next.map_err(|_| "what this shard begins with did not come in time")?;
            match next.ok_or("the lead is gone")? {
                // After a lost connection it begins again.
                Down::Part(head) => begun = Some(gathering(server, &head)?),
                Down::Chunk(chunk) => {
                    let Some((layout, gathering)) = &mut begun else {
                        continue;
                    };
                    if let Some(part) = gathering.accept(&chunk)? {
                        server.begin_with_part(layout.clone(), part);
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes part in what the lead makes of all shards, cuts and rounds, for as long as there is one.
    pub async fn follow(mut self, server: Arc<ParameterServer>) {
        let begun = v1::ShardCounts {
            version: server.version(),
            begun: true,
        };
        // Workers wait for it.
        if self.tells.send(Up::Shard(begun)).await.is_err() {
            return;
        }
        while let Some(said) = self.told.recv().await {
            let mut next = Some(said);
            while let Some(said) = next {
                next = match self.answer(&server, said).await {
                    Ok(another) => another,
                    Err(_) => return,
                };
            }
        }
    }

    /// Gives what the lead has said meanwhile, if it has.
    async fn answer(
        &mut self,
        server: &ParameterServer,
        said: Down,
    ) -> Result<Option<Down>, mpsc::error::SendError<Up>> {
        match said {
            Down::Hold(v1::Hold { cut }) => return self.take_part(server, cut).await,
            Down::Round(round) => {
                let sum = server.sum_round(&round).await;
                self.tells.send(Up::Sum(sum)).await?;
            }
            Down::Step(step) => {
                let stepped = server.step_round(&step);
                self.tells.send(Up::Stepped(stepped)).await?;
            }
            _ => {}
        }
        Ok(None)
    }

    async fn take_part(
        &mut self,
        server: &ParameterServer,
        cut: u64,
    ) -> Result<Option<Down>, mpsc::error::SendError<Up>> {
        let given_up = Up::GivenUp(v1::CutGivenUp { cut });
        match server.take_part(cut, &mut self.told, &self.tells).await {
            TakenPart::Whole(part) => self.send(cut, &part).await.map(|()| None),
            TakenPart::GivenUp => self.tells.send(given_up).await.map(|()| None),
            TakenPart::Another(said) => Ok(Some(said)),
        }
    }

    async fn send(&self, cut: u64, part: &Part) -> Result<(), mpsc::error::SendError<Up>> {
        self.tells.send(Up::Part(part.head(cut, None))).await?;
        for chunk in part.chunks(cut) {
            self.tells.send(Up::Chunk(chunk)).await?;
        }
        Ok(())
    }
}

fn gathering(
    server: &ParameterServer,
    head: &v1::ShardPart,
) -> Result<(Layout, PartGathering), String> {
    let layout = Layout::try_from(head.layout.clone().unwrap_or_default());
    let layout = layout.map_err(|error| error.to_string())?;
    let shape = server.part_shape(&layout);
    let (elements, kept) = shape.map_err(|error| error.to_string())?;
    Ok((layout, PartGathering::new(head, elements, kept)))
}
