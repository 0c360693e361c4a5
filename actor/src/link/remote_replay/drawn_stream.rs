use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use troop_common::bounds;
use troop_common::dialling::Dial;
use troop_common::proto::{PROTOCOL, v1};
use troop_common::wire::{DrawnMessage, Messages, Outgoing, Parts, call, path};
use troop_replay::codec::settings_from_text;

use super::settings::RemoteReplaySettings;
use super::shelf::Shelf;
use super::stream_end::{Search, StreamEnd};

/// Bytes of a draw at most: what a replay may send, once it is decoded.
const LARGEST_DRAW: u64 = 256 << 20;

/// Holds a stream of `Draw` with the replay of an index, one after the other, until it is not to be had any more.
pub(super) async fn hold(shelf: Arc<Shelf>, settings: RemoteReplaySettings, index: usize) {
    let mut search = Search::new(&settings, &settings.dial(index));
    loop {
        // It may have come back elsewhere.
        let dial = settings.dial(index);
        let end = tokio::select! {
            biased;
            ended = session(&shelf, &settings, (index, &dial), &mut search) => match ended {
                Ok(never) => match never {},
                Err(end) => end,
            },
            // Replays that began anew may have changed places: else two streams would be with one, and none with the other.
            () = settings.moved(index, &dial.url) => StreamEnd::Lost("the replay is elsewhere now".into()),
        };
        shelf.lost(index, None);
        if let Err(closed) = search.pause(end).await {
            shelf.lost(index, Some(closed));
            return;
        }
    }
}

async fn session(
    shelf: &Shelf,
    settings: &RemoteReplaySettings,
    (index, dial): (usize, &Dial),
    search: &mut Search,
) -> Result<std::convert::Infallible, StreamEnd> {
    let mut dialled = dial.connect(&settings.wire).await?;
    let (requests, unsent) = mpsc::unbounded_channel();
    let open = v1::DrawOpen {
        protocol: PROTOCOL,
        run: bounds::DRAW_RUN.cut(&settings.run),
        worker: bounds::DRAW_WORKER.cut(&settings.worker),
    };
    let kind = Some(v1::draw_request::Kind::Open(open));
    // The receiver is there.
    let _ = requests.send(Outgoing::new(&v1::DrawRequest { kind }));
    let sent = UnboundedReceiverStream::new(unsent).map(Ok);
    let mut answers = call(&mut dialled, path::DRAW, sent).await?;
    search.found();
    // It comes once somebody has made the replay.
    let DrawnMessage::Opened(opened) = next(&mut answers).await? else {
        return Err(StreamEnd::Refused("expected `opened`".into()));
    };
    let replay = settings_from_text(&opened.settings);
    let replay = replay.map_err(|error| StreamEnd::Refused(error.to_string()))?;
    let life = (index, opened.life);
    shelf.opened(life, &replay, requests)?;
    let mut together = Parts::default();
    loop {
        if let DrawnMessage::Items(chunk, data) = next(&mut answers).await? {
            let place = (chunk.offset_bytes, chunk.total_bytes);
            let whole = together.accept(place, LARGEST_DRAW, data);
            if let Some(bytes) = whole.map_err(|error| StreamEnd::Refused(error.to_string()))? {
                shelf.put(life, bytes);
            }
        }
    }
}

async fn next(answers: &mut Messages<Body>) -> Result<DrawnMessage, StreamEnd> {
    match answers.next().await? {
        Some(message) => {
            DrawnMessage::read(message).map_err(|error| StreamEnd::Refused(error.to_string()))
        }
        None => Err(StreamEnd::Lost("the replay ended the stream".into())),
    }
}
