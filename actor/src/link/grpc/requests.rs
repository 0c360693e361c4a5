use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio_stream::Stream;
use troop_common::layout::Layout;
use troop_common::proto::v1::train_request::Kind;
use troop_common::proto::v1::{GradientChunk, Open, TrainRequest};

use super::mailbox::{Mailbox, Outgoing};

/// What a session sends: its layout, then gradients, each taken from the mailbox when there is
/// room to send it.
pub(super) struct Requests {
    open: Option<Open>,
    mailbox: Arc<Mailbox>,
    connection: u64,
    /// That of the gradient that is being sent, or was sent last.
    sequence: u64,
    current: Option<Outgoing>,
}

impl Requests {
    pub(super) fn new(
        session: u64,
        layout: &Layout,
        mailbox: Arc<Mailbox>,
        connection: u64,
    ) -> Self {
        let layout = Some(layout.into());
        Self {
            open: Some(Open { session, layout }),
            mailbox,
            connection,
            sequence: 0,
            current: None,
        }
    }

    fn next_chunk(&mut self) -> Option<GradientChunk> {
        let current = self.current.as_mut()?;
        let chunk = current.chunks.pop_front()?;
        let is_last = current.chunks.is_empty();
        Some(GradientChunk {
            sequence: self.sequence,
            epoch: current.epoch,
            version: current.version,
            offset_elements: chunk.offset_elements,
            total_elements: current.elements,
            encoding: current.encoding.into(),
            data: chunk.data,
            report: is_last.then(|| std::mem::take(&mut current.report)),
        })
    }
}

impl Stream for Requests {
    type Item = TrainRequest;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<TrainRequest>> {
        let this = self.get_mut();
        let message = |kind| Poll::Ready(Some(TrainRequest { kind: Some(kind) }));
        if let Some(open) = this.open.take() {
            return message(Kind::Open(open));
        }
        loop {
            if let Some(chunk) = this.next_chunk() {
                return message(Kind::Gradient(chunk));
            }
            let next = ready!(this.mailbox.poll_outgoing(this.connection, context));
            let Some(next) = next else {
                return Poll::Ready(None);
            };
            this.current = Some(next);
            this.sequence += 1;
        }
    }
}
