use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use tonic::Status;
use troop_common::proto::v1::train_response::Kind;
use troop_common::proto::v1::{Control, Replays, TrainResponse};
use troop_common::wire::{self, Outgoing};

use super::ending::{Parting, Partings};
use super::weights_stream::WeightsStream;

/// What a session is answered. It is asked for the next message only when there is room to send
/// one, and chooses then: answers, then control, then where replays are, then weights, so that an answer waits for one
/// chunk of weights at most and weights are always the newest.
///
/// It ends with the session's answers.
pub(super) struct Outbox {
    answers: mpsc::Receiver<Result<Kind, Status>>,
    partings: Partings,
    /// Where replays are; none before all have been there, and if there are none.
    replays: WatchStream<Option<Replays>>,
    /// None once the session has been told that the learner closes.
    weights: Option<WeightsStream>,
    /// What goes before the weights that the run ended with.
    before_last: Option<Control>,
}

impl Outbox {
    pub(super) fn new(
        answers: mpsc::Receiver<Result<Kind, Status>>,
        partings: Partings,
        replays: watch::Receiver<Option<Replays>>,
        weights: WeightsStream,
    ) -> Self {
        Self {
            answers,
            partings,
            replays: WatchStream::new(replays),
            weights: Some(weights),
            before_last: None,
        }
    }

    /// Begins with the weights that the run ended with: the publish before them has been sent whole.
    fn poll_last(&mut self) -> Poll<Option<Result<Outgoing, Status>>> {
        let Some((control, weights)) = self.before_last.take().zip(self.weights.as_mut()) else {
            return Poll::Pending;
        };
        weights.begin_last();
        message(Kind::Control(control))
    }
}

/// The newest of what a stream has ready.
fn newest<T>(stream: &mut WatchStream<Option<T>>, context: &mut Context<'_>) -> Option<T>
where
    T: Clone + Send + Sync + 'static,
{
    let mut newest = None;
    while let Poll::Ready(Some(next)) = Pin::new(&mut *stream).poll_next(context) {
        newest = next.or(newest);
    }
    newest
}

fn message(kind: Kind) -> Poll<Option<Result<Outgoing, Status>>> {
    let response = TrainResponse { kind: Some(kind) };
    Poll::Ready(Some(Ok(Outgoing::new(&response))))
}

impl Stream for Outbox {
    type Item = Result<Outgoing, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.answers.poll_recv(context) {
            Poll::Ready(Some(Ok(answer))) => {
                if let (Kind::Acknowledgement(answer), Some(weights)) = (&answer, &mut this.weights)
                {
                    weights.owe(answer.version);
                }
                return message(answer);
            }
            Poll::Ready(Some(Err(status))) => return Poll::Ready(Some(Err(status))),
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Pending => {}
        }
        if this.weights.is_none() {
            return Poll::Pending;
        }
        match this.partings.poll(context) {
            Some(Parting::Control(control)) => {
                this.weights = None;
                return message(Kind::Control(control));
            }
            Some(Parting::LastWeights(control, last)) => {
                this.before_last = Some(control);
                if let Some(weights) = &mut this.weights {
                    weights.end_with(last);
                }
            }
            None => {}
        }
        if let Some(replays) = newest(&mut this.replays, context) {
            return message(Kind::Replays(replays));
        }
        match this
            .weights
            .as_mut()
            .map(|weights| Pin::new(weights).poll_next(context))
        {
            Some(Poll::Ready(Some(part))) => {
                Poll::Ready(Some(Ok(wire::weights(&part.head, part.tensor))))
            }
            _ => this.poll_last(),
        }
    }
}
