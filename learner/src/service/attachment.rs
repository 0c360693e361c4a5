use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::body::Body;
use troop_common::bounds;
use troop_common::call_error::CallError;
use troop_common::proto::v1;
use troop_common::proto::v1::attach_replay_request::Kind as Up;
use troop_common::proto::v1::attach_replay_response::Kind as Down;
use troop_common::serving::{MESSAGE_PATIENCE, first_message};
use troop_common::wire::{Bounded, MAX_MESSAGE_BYTES, Messages, MessagesError, Outgoing, Rope};

use super::attached_part::AttachedPart;
use super::ending::control;
use super::shard_news::{ShardNews, message, tell};
use super::statuses::{attach_status, shard_status};
use super::{Service, refuse_other_protocol};
use crate::answers::{Phase, ReplayIntroduction, ShardIntroduction};

/// A replay or shard that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);

/// The stream of one replay or shard: what it tells is taken, and it is told when the learner closes.
pub(super) struct Attachment {
    part: AttachedPart,
    /// For a shard.
    news: Option<ShardNews>,
    inbound: Messages<Body>,
    down: mpsc::Sender<Result<Outgoing, Status>>,
}

/// Bytes of a replay's message at most: an address, or some numbers.
const LONGEST_ATTACH: usize = 16 << 10;

/// What is sent down and not taken yet: one answer and one farewell, or chunks of what a shard begins with.
const MESSAGES_DOWN: usize = 2;

/// Whoever has not taken its farewell and said goodbye within this time may not have got it.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// What a replay or shard has done that ended its stream well.
const LEFT: &str = "it left";

impl Service {
    /// Takes a replay or a shard into the run.
    pub(super) async fn attach(
        &self,
        requests: Body,
    ) -> Result<ReceiverStream<Result<Outgoing, Status>>, Status> {
        let longest = match self.server.shards() {
            1 => LONGEST_ATTACH,
            _ => MAX_MESSAGE_BYTES,
        };
        let mut inbound = Messages::within(requests, longest, MESSAGE_PATIENCE);
        let open = attach_open(first_message(&mut inbound).await?)?;
        refuse_other_protocol("replay", open.protocol)?;
        let mut attached = self.attached(&open)?;
        let (index, kind) = (attached.index(), attached.kind());
        let software = bounds::ATTACH_SOFTWARE.cut(&open.software);
        let url = bounds::ATTACH_URL.cut(&open.url);
        tracing::info!(index, url, software, "{kind} attached");
        let (down, unsent) = mpsc::channel(MESSAGES_DOWN);
        let answer = message(Down::Attached(v1::Attached {
            index: index as u32,
            epoch: self.server.epoch(),
            experiment: self.experiment.to_string(),
            run: self.run.to_string(),
            goes_on: open.shard.is_some() && self.server.goes_on(),
        }));
        // The channel is empty, so there is room.
        let _ = down.try_send(Ok(answer));
        let attachment = Attachment {
            news: attached.connect(),
            part: attached,
            inbound,
            down,
        };
        tokio::spawn(attachment.run());
        Ok(ReceiverStream::new(unsent))
    }

    fn attached(&self, open: &v1::AttachOpen) -> Result<AttachedPart, Status> {
        let server = Arc::clone(&self.server);
        let (url, life) = (bounds::ATTACH_URL.cut(&open.url), open.life);
        if let Some(shard) = open.shard {
            let index = shard as usize;
            let shard = ShardIntroduction { url, index, life };
            return AttachedPart::shard(server, &shard)
                .map_err(|error| shard_status(&error, &self.server.phase().borrow()));
        }
        let index = open.index.map(|index| index as usize);
        let replay = ReplayIntroduction { url, life, index };
        AttachedPart::replay(server, &replay)
            .map_err(|error| attach_status(&error, &self.server.phase().borrow()))
    }
}

impl Attachment {
    /// Reads until it goes or falls silent, or the learner closes. A shard that does not come back ends this life.
    async fn run(mut self) {
        let phase = self.part.server().phase();
        let down = self.down.clone();
        let telling = tell(self.news.take(), down.clone());
        let cause = tokio::select! {
            biased;
            farewell = farewell(phase) => {
                self.part_with(farewell).await;
                "the learner closes"
            }
            cause = self.read() => cause,
            () = telling => "it hung up",
            () = down.closed() => "it hung up",
        };
        if cause == LEFT {
            self.part.hear();
        }
        let kind = self.part.kind();
        tracing::info!(index = self.part.index(), cause, "{kind} detached");
        // Its stream ends here.
        drop((self.inbound, self.down, down));
        if let Some((server, shard)) = self.part.ends(cause) {
            let give_up_after_s = server.experiment().actor.give_up_after_s;
            tokio::time::sleep(Duration::from_secs(give_up_after_s)).await;
            server.ledger().give_up_shard(shard);
        }
    }

    /// Tells it that the learner closes; it has heard that if it says goodbye then.
    async fn part_with(&mut self, farewell: v1::Control) {
        let parting = async {
            // If nobody takes it no goodbye comes.
            let _ = self.down.send(Ok(message(Down::Control(farewell)))).await;
            says_goodbye(&mut self.inbound).await
        };
        if timeout(FAREWELL_LIMIT, parting).await == Ok(true) {
            self.part.hear();
        }
    }

    async fn read(&mut self) -> &'static str {
        loop {
            let next = match timeout(SILENCE, self.inbound.next()).await {
                Err(_) => return self.refuse("it said nothing for too long"),
                Ok(Ok(None)) => return LEFT,
                Ok(Err(MessagesError::Call(_))) => return "the connection was lost",
                Ok(Err(MessagesError::Wire(_))) => {
                    return self.refuse("it sent what is no message");
                }
                Ok(Ok(Some(next))) => next,
            };
            let Ok(v1::AttachReplayRequest { kind }) = v1::AttachReplayRequest::decode(next) else {
                return self.refuse("it sent what is no message");
            };
            if kind
                .as_ref()
                .is_some_and(|kind| kind.check_bounds().is_err())
            {
                return self.refuse("it sent more than the contract allows");
            }
            match kind {
                Some(Up::Counts(counts)) => self.part.count(counts),
                Some(Up::Shard(counts)) => self.part.count_shard(counts),
                Some(Up::Open(_)) => return self.refuse("it does not follow the protocol"),
                Some(said) => self.part.say(said).await,
                // A later protocol's; this one has nothing to do with it.
                None => {}
            }
        }
    }

    fn refuse(&self, cause: &'static str) -> &'static str {
        // There is room: nothing but the answer was sent.
        let _ = self.down.try_send(Err(CallError::Stream.status(cause)));
        cause
    }
}

/// The message that the stream of a replay or shard begins with.
fn attach_open(first: Option<Rope>) -> Result<v1::AttachOpen, Status> {
    let first = v1::AttachReplayRequest::decode(first.unwrap_or_default());
    let first = first.map_err(|error| CallError::Stream.status(error))?;
    let Some(Up::Open(open)) = first.kind else {
        let expected = "the stream must begin with an `open` message that says where the replay is";
        return Err(CallError::Stream.status(expected));
    };
    open.check_bounds()
        .map_err(|error| CallError::Stream.status(error))?;
    Ok(open)
}

/// Reads on to the end; whether that is one that was meant.
async fn says_goodbye(inbound: &mut Messages<Body>) -> bool {
    loop {
        match inbound.next().await {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// What it is told once the learner closes.
async fn farewell(mut phase: watch::Receiver<Phase>) -> v1::Control {
    loop {
        if let Some(control) = control(phase.borrow_and_update().clone()) {
            return control;
        }
        if phase.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, Bytes, BytesMut};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use tokio::time::{Instant, sleep};
    use tokio_stream::StreamExt;
    use troop_common::experiment::Experiment;
    use troop_common::proto::PROTOCOL;

    use super::*;
    use crate::metrics::Metrics;
    use crate::parameter_server::ParameterServer;

    type Frames = mpsc::Sender<Result<Frame<Bytes>, Status>>;

    fn service() -> (Arc<ParameterServer>, Service) {
        let mut experiment = Experiment::default();
        experiment.topology.trainers = 1;
        let metrics = Metrics::new().unwrap();
        let server = Arc::new(ParameterServer::new(experiment, metrics));
        let service = Service::new(Arc::clone(&server)).unwrap();
        (server, service)
    }

    /// A stream's request, and where its frames go.
    fn stream() -> (Frames, Body) {
        let (frames, body) = mpsc::channel(8);
        (
            frames,
            Body::new(StreamBody::new(ReceiverStream::new(body))),
        )
    }

    async fn send(frames: &Frames, kind: Up) {
        let message = v1::AttachReplayRequest { kind: Some(kind) }.encode_to_vec();
        let mut bytes = BytesMut::new();
        bytes.put_u8(0);
        bytes.put_u32(message.len() as u32);
        bytes.put_slice(&message);
        let frame = Ok(Frame::data(bytes.freeze()));
        frames.send(frame).await.unwrap();
    }

    fn open(life: u64) -> Up {
        Up::Open(v1::AttachOpen {
            protocol: PROTOCOL,
            url: "http://replay".into(),
            life,
            ..v1::AttachOpen::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_replay_that_falls_silent_is_gone_and_one_that_tells_stays() {
        let (server, service) = service();
        let (frames, body) = stream();
        send(&frames, open(7)).await;
        let mut down = service.attach(body).await.unwrap();
        down.next().await.unwrap().unwrap();
        for items_held in 1..=10 {
            let counts = v1::ReplayCounts {
                items_held,
                ..v1::ReplayCounts::default()
            };
            send(&frames, Up::Counts(counts)).await;
            sleep(SILENCE / 2).await;
            assert_eq!(server.metrics().replay_items.get(), items_held as i64);
        }
        let began = Instant::now();
        let end = down.next().await.unwrap();
        assert!(end.is_err(), "it is told why");
        assert!(began.elapsed() <= SILENCE);
        sleep(SILENCE).await;
        assert!(server.ledger().replay_places().is_err());
        assert_eq!(server.metrics().replays.get(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_it_is_told_to_stop() {
        let (server, service) = service();
        let (frames, body) = stream();
        send(&frames, open(7)).await;
        let mut down = service.attach(body).await.unwrap();
        down.next().await.unwrap().unwrap();
        server.finish("enough".into());
        assert!(down.next().await.unwrap().is_ok());
        assert!(down.next().await.is_none(), "nothing comes after it");
        let (frames, body) = stream();
        send(&frames, open(8)).await;
        let refused = service.attach(body).await.unwrap_err();
        assert_eq!(CallError::of(&refused), Some(CallError::Finished));
    }

    #[tokio::test(start_paused = true)]
    async fn one_more_than_the_run_has_is_refused_and_may_try_again() {
        let (_server, service) = service();
        let (first, body) = stream();
        send(&first, open(7)).await;
        let _down = service.attach(body).await.unwrap();
        let (second, body) = stream();
        send(&second, open(8)).await;
        let refused = service.attach(body).await.unwrap_err();
        let error = CallError::of(&refused).unwrap();
        assert_eq!((error, error.is_lasting()), (CallError::Full, false));
    }
}
