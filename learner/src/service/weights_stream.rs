use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use prometheus::IntCounter;
use tokio::sync::watch;
use tokio_stream::Stream;
use tokio_stream::wrappers::WatchStream;
use troop_common::proto::v1::WeightsChunk;
use troop_common::weights::Weights;

use super::broadcast::Broadcast;
use super::transfer::Transfer;
use crate::answers::Phase;
use crate::parameter_server::ParameterServer;

/// One receiver's weights: the newest publish each time the last one has been sent whole. It holds
/// one publish at most, however slow the receiver is.
pub(super) struct WeightsStream {
    published: WatchStream<Option<Arc<Weights>>>,
    broadcast: Arc<Broadcast>,
    transfer: Transfer,
    sent_bytes: IntCounter,
}

impl WeightsStream {
    pub(super) fn new(server: &ParameterServer, broadcast: Arc<Broadcast>) -> Self {
        Self {
            published: WatchStream::new(server.published()),
            broadcast,
            transfer: Transfer::default(),
            sent_bytes: server.metrics().sent_bytes.clone(),
        }
    }

    /// The same, until the learner drains or the run is over.
    pub(super) fn until_closed(self, phase: watch::Receiver<Phase>) -> UntilClosed {
        UntilClosed {
            phase: WatchStream::new(phase),
            weights: self,
        }
    }
}

impl Stream for WeightsStream {
    type Item = WeightsChunk;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WeightsChunk>> {
        let this = self.get_mut();
        loop {
            if let Some(chunk) = this.transfer.next() {
                this.sent_bytes.inc_by(chunk.data.len() as u64);
                return Poll::Ready(Some(chunk));
            }
            match ready!(Pin::new(&mut this.published).poll_next(context)) {
                None => return Poll::Ready(None),
                Some(None) => {}
                Some(Some(weights)) => this.transfer.start(this.broadcast.encode(&weights)),
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
    type Item = WeightsChunk;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<WeightsChunk>> {
        let this = self.get_mut();
        while let Poll::Ready(phase) = Pin::new(&mut this.phase).poll_next(context) {
            if phase != Some(Phase::Running) {
                return Poll::Ready(None);
            }
        }
        Pin::new(&mut this.weights).poll_next(context)
    }
}
