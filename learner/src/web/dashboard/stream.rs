use std::convert::Infallible;
use std::io;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;
use tokio_stream::wrappers::ReceiverStream;

use super::runs::{Run, Runs};
use super::update::RunView;

/// Time between two updates.
const INTERVAL: Duration = Duration::from_secs(1);

/// Events that wait for a slow viewer; the next update is made when they have gone.
const WAITING_EVENTS: usize = 2;

/// What one viewer is told, until either side goes away.
pub(super) struct Stream<R: Runs> {
    pub(super) runs: R,
    pub(super) looks: Vec<R::Run>,
    pub(super) closing: watch::Receiver<bool>,
    pub(super) permit: OwnedSemaphorePermit,
}

impl<R: Runs> Stream<R> {
    /// Sends `run` events, and `runs` events whenever the list is another.
    pub(super) fn start(self) -> Sse<ReceiverStream<Result<Event, Infallible>>> {
        let (sender, receiver) = mpsc::channel(WAITING_EVENTS);
        tokio::spawn(self.follow(Viewer { sender, list: None }));
        Sse::new(ReceiverStream::new(receiver))
    }

    async fn follow(mut self, mut viewer: Viewer) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // The last update is made when everything has been written.
            let last = tokio::select! {
                _ = ticks.tick() => false,
                _ = self.closing.wait_for(|closing| *closing) => true,
                () = viewer.sender.closed() => true,
            };
            match self.update(&mut viewer).await {
                Err(Gone) => break,
                Ok(looks) => self.looks = looks,
            }
            if last {
                break;
            }
        }
        drop(self.permit);
    }

    async fn update(&mut self, viewer: &mut Viewer) -> Result<Vec<R::Run>, Gone> {
        let (runs, mut looks) = (self.runs.clone(), std::mem::take(&mut self.looks));
        let work = move || {
            let list = runs.list();
            let updates: Vec<_> = looks.iter_mut().map(Run::refresh).collect();
            (list, updates, looks)
        };
        let (list, updates, looks) = spawn_blocking(work).await.map_err(|_| Gone)?;
        viewer.send_list(list).await?;
        for update in updates {
            viewer.send("run", update).await?;
        }
        Ok(looks)
    }
}

/// The viewer has gone away.
struct Gone;

struct Viewer {
    sender: mpsc::Sender<Result<Event, Infallible>>,
    /// What it was told last.
    list: Option<Vec<RunView>>,
}

impl Viewer {
    async fn send_list(&mut self, list: io::Result<Vec<RunView>>) -> Result<(), Gone> {
        if list.as_ref().ok() == self.list.as_ref() && self.list.is_some() {
            return Ok(());
        }
        self.list = list.as_ref().ok().cloned();
        self.send("runs", list).await
    }

    async fn send<T: Serialize>(&self, name: &str, content: io::Result<T>) -> Result<(), Gone> {
        let event = match content {
            Ok(content) => Event::default().event(name).json_data(content),
            Err(error) => Event::default()
                .event("problem")
                .json_data(error.to_string()),
        };
        // Numbers, names and lists can always be written as JSON.
        let event = event.map_err(|_| Gone)?;
        self.sender.send(Ok(event)).await.map_err(|_| Gone)
    }
}
