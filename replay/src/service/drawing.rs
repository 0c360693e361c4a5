//! Streams of `Draw`.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use troop_common::bounds;
use troop_common::call_error::CallError;
use troop_common::proto::v1;
use troop_common::proto::v1::draw_response::Kind;
use troop_common::serving::{MESSAGE_PATIENCE, first_message, refusal};
use troop_common::wire::{DrawMessage, MAX_MESSAGE_BYTES, Messages, Outgoing, Rope, items, parts};

use super::closing::{end, status_of};
use super::room::Taken;
use super::seats::Seat;
use super::shared::{Made, Shared};
use super::waiting::Waiting;
use crate::codec::{encode_drawn, encode_in_place};
use crate::replay::{Drawn, InPlace};

/// Demands of a stream that are not answered, as the contract says.
const MOST_DEMANDS: usize = 16;

/// Chunks that have not been sent; they are parts of one draw.
const CHUNKS_WAITING: usize = 2;

/// A worker that reads nothing for so long, although there is something, is gone.
const STALL_LIMIT: Duration = Duration::from_secs(60);

type Answers = mpsc::Sender<Result<Outgoing, Status>>;

/// Opens a stream, whose first message says who draws.
pub(super) async fn begin(
    shared: &Arc<Shared>,
    body: Body,
) -> Result<ReceiverStream<Result<Outgoing, Status>>, Status> {
    let full = || CallError::Full.status("as many workers draw already as the replay takes");
    let seat = shared.readers.take().ok_or_else(full)?;
    let mut inbound = Messages::within(body, MAX_MESSAGE_BYTES, MESSAGE_PATIENCE);
    let open = read_open(first_message(&mut inbound).await?)?;
    shared.check_caller(open.protocol, &open.run)?;
    if let Some(closing) = &*shared.closing.borrow() {
        return Err(closing.status());
    }
    let worker = bounds::DRAW_WORKER.cut(&open.worker);
    tracing::debug!(worker, "worker draws");
    let (answers, unsent) = mpsc::channel(CHUNKS_WAITING);
    tokio::spawn(run(Arc::clone(shared), seat, inbound, answers));
    Ok(ReceiverStream::new(unsent))
}

fn read_open(first: Option<Rope>) -> Result<v1::DrawOpen, Status> {
    let not_opened = "the stream must begin with an `open` message that says who draws";
    let first = first.ok_or_else(|| CallError::Stream.status(not_opened))?;
    match DrawMessage::read(first) {
        Ok(DrawMessage::Open(open)) => Ok(open),
        Ok(_) => Err(CallError::Stream.status(not_opened)),
        Err(error) => Err(CallError::Stream.status(error)),
    }
}

async fn run(shared: Arc<Shared>, seat: Seat, inbound: Messages<Body>, answers: Answers) {
    let ended = tokio::select! {
        biased;
        why = shared.closes() => Err(why),
        () = answers.closed() => return,
        ended = work(&shared, seat, inbound, &answers) => ended,
    };
    if let Err(status) = ended {
        tracing::debug!(reason = status.message(), "a stream of Draw ends");
        end(&answers, status).await;
    }
}

/// Until the worker leaves.
async fn work(
    shared: &Arc<Shared>,
    mut seat: Seat,
    inbound: Messages<Body>,
    answers: &Answers,
) -> Result<(), Status> {
    let mut made = shared.made.subscribe();
    let made = tokio::select! {
        biased;
        made = made.wait_for(Option::is_some) => made.ok().and_then(|made| made.clone()),
        () = seat.needed() => return Err(CallError::Full.status("others need the place")),
    };
    let made = made.ok_or_else(|| CallError::Draining.status("the replay ends"))?;
    let opened = v1::DrawOpened {
        life: shared.settings.life,
        settings: made.text.clone(),
    };
    let message = v1::DrawResponse {
        kind: Some(Kind::Opened(opened)),
    };
    send(answers, Outgoing::new(&message)).await?;
    let (demands, asked) = mpsc::channel(MOST_DEMANDS);
    let reader = Reader {
        shared,
        made: &made,
        seat,
        demands,
    };
    let server = Server {
        shared,
        made: &made,
        answers,
    };
    tokio::select! {
        biased;
        read = reader.read(inbound) => read,
        served = server.serve(asked) => served,
    }
}

/// What a worker sends.
struct Reader<'a> {
    shared: &'a Shared,
    made: &'a Made,
    seat: Seat,
    demands: mpsc::Sender<v1::Demand>,
}

impl Reader<'_> {
    async fn read(mut self, mut inbound: Messages<Body>) -> Result<(), Status> {
        let mut next_demand = 1;
        loop {
            let message = tokio::select! {
                biased;
                message = inbound.next() => message.map_err(refusal)?,
                () = self.seat.needed() => {
                    return Err(CallError::Full.status("others need the place"));
                }
            };
            let Some(message) = message else {
                return Ok(());
            };
            match DrawMessage::read(message) {
                Ok(DrawMessage::Demand(demand)) => {
                    self.check(&demand, next_demand)?;
                    next_demand += 1;
                    self.seat.spoke();
                    let many = format!("more than {MOST_DEMANDS} demands are unanswered");
                    let told = self.demands.try_send(demand);
                    told.map_err(|_| CallError::Stream.status(many))?;
                }
                Ok(DrawMessage::Priorities(priorities)) => self.reprioritise(&priorities)?,
                Ok(DrawMessage::Unknown) => {}
                Ok(DrawMessage::Open(_)) => {
                    return Err(CallError::Stream.status("`open` came twice"));
                }
                Err(error) => return Err(CallError::Stream.status(error)),
            }
        }
    }

    fn check(&self, demand: &v1::Demand, expected: u64) -> Result<(), Status> {
        let found = demand.demand;
        if found != expected {
            let why = format!("demand {found} came; expected {expected}");
            return Err(CallError::Stream.status(why));
        }
        let beta = demand.importance_exponent;
        if !(0.0..=1.0).contains(&beta) {
            let why = format!("an importance exponent of {beta} came; expected one from 0 to 1");
            return Err(CallError::Stream.status(why));
        }
        let drawable = self.made.replay.is_drawable(demand.items as usize);
        drawable.map(|_| ()).map_err(|error| status_of(&error))
    }

    fn reprioritise(&self, priorities: &v1::Priorities) -> Result<(), Status> {
        let (keys, errors) = (&priorities.keys, &priorities.td_errors);
        if keys.len() != errors.len() {
            let why = format!("{} TD errors for {} keys", errors.len(), keys.len());
            return Err(CallError::Stream.status(why));
        }
        match priorities.life == self.shared.settings.life {
            true => self.made.replay.reprioritise(keys, errors),
            false => self
                .shared
                .metrics
                .foreign_priorities
                .inc_by(keys.len() as u64),
        }
        Ok(())
    }
}

/// What a worker is sent.
struct Server<'a> {
    shared: &'a Shared,
    made: &'a Made,
    answers: &'a Answers,
}

impl Server<'_> {
    async fn serve(&self, mut asked: mpsc::Receiver<v1::Demand>) -> Result<(), Status> {
        while let Some(demand) = asked.recv().await {
            let (found, _room) = self.draw(&demand).await?;
            let bytes = self.encode(found);
            self.shared.metrics.sent_bytes.inc_by(bytes.len() as u64);
            for (offset_bytes, data) in parts(&bytes) {
                let head = v1::ItemsChunk {
                    demand: demand.demand,
                    offset_bytes,
                    total_bytes: bytes.len() as u64,
                    data: Bytes::new(),
                };
                send(self.answers, items(&head, data)).await?;
            }
        }
        Ok(())
    }

    /// Waits for items, and for room to send them. Whoever is starved holds no room. What need not be copied before is bytes then.
    async fn draw(&self, demand: &v1::Demand) -> Result<((Vec<u8>, Option<Drawn>), Taken), Status> {
        let refused = |error| status_of(&error);
        let replay = &self.made.replay;
        let mut rng = ChaCha8Rng::seed_from_u64(demand.seed);
        let (_turn, mut waiting) = self.made.draws.next(replay, false).await;
        let (count, beta) = (demand.items as usize, demand.importance_exponent);
        loop {
            let mut changed = pin!(replay.changes().notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if replay.is_drawable(count).map_err(refused)? {
                let bytes = self.made.portions.draw(count) as usize;
                let room = self.shared.draw_room.take(bytes).await;
                replay.tell_version(demand.version);
                // What was there may have gone meanwhile.
                let mut bytes = self.shared.buffers.take(0);
                let encode = |drawn: InPlace<'_>| encode_in_place(drawn, &mut bytes);
                let drawn = replay.draw_in_place(count, beta, &mut rng, encode);
                if let Some(copied) = drawn.map_err(refused)? {
                    return Ok(((bytes, copied), room));
                }
            }
            waiting.get_or_insert_with(|| Waiting::begin(replay, false));
            changed.await;
        }
    }

    fn encode(&self, (mut bytes, copied): (Vec<u8>, Option<Drawn>)) -> Bytes {
        if let Some(drawn) = copied {
            encode_drawn(&drawn, &self.made.settings, &mut bytes);
        }
        Bytes::from_owner(self.shared.buffers.lend(bytes))
    }
}

async fn send(answers: &Answers, message: Outgoing) -> Result<(), Status> {
    match timeout(STALL_LIMIT, answers.send(Ok(message))).await {
        // If nobody reads any more, the stream ends.
        Ok(_) => Ok(()),
        Err(_) => Err(CallError::Stream.status("the worker has stopped reading")),
    }
}
