use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use troop_common::experiment::SendWeights;
use troop_common::weights::Weights;

use super::broadcast::Broadcast;
use super::stall::{SharedSending, Stall};
use super::transfer::WeightsPart;
use crate::answers::Phase;
use crate::parameter_server::ParameterServer;

/// One receiver's weights: the newest publish each time the last one has been sent whole. It holds
/// one publish at most, however slow the receiver is.
pub(super) struct WeightsStream {
    server: Arc<ParameterServer>,
    published: WatchStream<Option<Arc<Weights>>>,
    broadcast: Arc<Broadcast>,
    sending: SharedSending,
    pace: SendWeights,
    /// The oldest version that the receiver still has to get; none if it has what it needs.
    owed: Option<u64>,
    sent_version: Option<u64>,
    /// What the run ended with; nothing that is published is sent any more.
    last: Option<Arc<Weights>>,
}

impl WeightsStream {
    pub(super) fn new(
        server: Arc<ParameterServer>,
        broadcast: Arc<Broadcast>,
        pace: SendWeights,
    ) -> Self {
        Self {
            published: WatchStream::new(server.published()),
            broadcast,
            sending: SharedSending::new(),
            pace,
            owed: Some(0),
            sent_version: None,
            last: None,
            server,
        }
    }

    /// Says that the receiver's gradient was answered, and is part of `version`.
    pub(super) fn owe(&mut self, version: u64) {
        if self.sent_version.is_none_or(|sent| sent < version) {
            self.owed = Some(version);
        }
    }

    /// Sends no more than what is being sent, and [then](Self::begin_last) what the run ended with.
    pub(super) fn end_with(&mut self, last: Arc<Weights>) {
        self.last = Some(last);
    }

    /// Begins to send what the run ended with; called once nothing is being sent any more.
    pub(super) fn begin_last(&mut self) {
        if let Some(last) = self.last.clone() {
            self.start(&last);
        }
    }

    /// Tells when the receiver has stopped reading.
    pub(super) fn stall(&self) -> Stall {
        self.sending.stall()
    }

    /// The same, until the learner drains or the run is over.
    pub(super) fn until_closed(self, phase: watch::Receiver<Phase>) -> UntilClosed {
        UntilClosed {
            phase: WatchStream::new(phase),
            weights: self,
        }
    }

    /// Whether `weights` are ones to send now.
    fn wants(&self, weights: &Weights) -> bool {
        match self.pace {
            SendWeights::EachPublish => true,
            SendWeights::AfterGradient => self.owed.is_some_and(|owed| weights.version >= owed),
        }
    }

    fn start(&mut self, weights: &Weights) {
        let encoded = self.broadcast.encode(weights);
        self.sent_version = Some(encoded.version);
        self.owed = None;
        self.sending.lock().transfer.start(encoded);
    }
}

impl Stream for WeightsStream {
    type Item = WeightsPart;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WeightsPart>> {
        let this = self.get_mut();
        loop {
            let next = {
                let mut sending = this.sending.lock();
                if sending.transfer.is_given_up() {
                    return Poll::Ready(None);
                }
                sending.transfer.next()
            };
            if let Some(part) = next {
                let bytes = part.tensor.len() as u64;
                this.server.metrics().sent_bytes.inc_by(bytes);
                this.server.sending(part.head.taken_at_version);
                return Poll::Ready(Some(part));
            }
            if this.last.is_some() {
                return Poll::Pending;
            }
            if this.pace == SendWeights::AfterGradient && this.owed.is_none() {
                // Whoever says that weights are owed polls again.
                return Poll::Pending;
            }
            match ready!(Pin::new(&mut this.published).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(Some(weights)) if this.wants(&weights) => this.start(&weights),
                Some(_) => {}
            }
        }
    }
}

/// Weights for as long as the run goes on.
pub(super) struct UntilClosed {
    phase: WatchStream<Phase>,
    weights: WeightsStream,
}

impl Stream for UntilClosed {
    type Item = WeightsPart;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WeightsPart>> {
        let this = self.get_mut();
        while let Poll::Ready(phase) = Pin::new(&mut this.phase).poll_next(context) {
            if phase != Some(Phase::Running) {
                return Poll::Ready(None);
            }
        }
        Pin::new(&mut this.weights).poll_next(context)
    }
}
