use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio_stream::Stream;
use tonic::Status;
use troop_common::layout::Layout;
use troop_common::proto::v1::train_request::Kind;
use troop_common::proto::v1::{GradientChunk, LoneReport, Open, Report, TrainRequest};
use troop_common::wire;

use super::mailbox::Mailbox;
use super::outgoing::{Outgoing, OutgoingGradient};

/// What a session sends: its layout, then gradients and reports, each taken from the mailbox when there is
/// room to send it.
pub(super) struct Requests {
    open: Option<Open>,
    mailbox: Arc<Mailbox>,
    /// Which connection, and which of its streams.
    stream: (u64, usize),
    /// That of the gradient that is being sent, or was sent last.
    sequence: u64,
    current: Option<OutgoingGradient>,
}

impl Requests {
    pub(super) fn new(
        (session, secret): (u64, u64),
        layout: &Layout,
        mailbox: Arc<Mailbox>,
        stream: (u64, usize),
    ) -> Self {
        let layout = Some(layout.into());
        Self {
            open: Some(Open {
                session,
                layout,
                secret,
            }),
            mailbox,
            stream,
            sequence: 0,
            current: None,
        }
    }

    fn report(&self, epoch: u64, report: Report) -> wire::Outgoing {
        let kind = Kind::Report(LoneReport {
            sequence: self.sequence,
            epoch,
            report: Some(report),
        });
        wire::Outgoing::new(&TrainRequest { kind: Some(kind) })
    }

    fn next_chunk(&mut self) -> Option<wire::Outgoing> {
        let current = self.current.as_mut()?;
        let chunk = current.pop_chunk()?;
        let is_last = current.chunks.is_empty();
        let slice = current.slice.take_if(|_| is_last);
        let head = GradientChunk {
            sequence: self.sequence,
            epoch: current.epoch,
            version: current.version,
            offset_elements: chunk.offset_elements,
            total_elements: current.elements,
            encoding: current.encoding.into(),
            data: Bytes::new(),
            report: is_last.then(|| std::mem::take(&mut current.report)),
            slice: slice.map(|slice| slice.told()),
            gradients: if is_last { current.gradients } else { 0 },
        };
        Some(wire::gradient(&head, chunk.data))
    }
}

impl Stream for Requests {
    type Item = Result<wire::Outgoing, Status>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(open) = this.open.take() {
            let kind = Some(Kind::Open(open));
            return Poll::Ready(Some(Ok(wire::Outgoing::new(&TrainRequest { kind }))));
        }
        loop {
            if let Some(chunk) = this.next_chunk() {
                return Poll::Ready(Some(Ok(chunk)));
            }
            let next = ready!(this.mailbox.poll_outgoing(this.stream, context));
            this.sequence += 1;
            match next {
                None => return Poll::Ready(None),
                Some(Outgoing::Gradient(gradient)) => this.current = Some(gradient),
                Some(Outgoing::Report { epoch, report }) => {
                    return Poll::Ready(Some(Ok(this.report(epoch, report))));
                }
            }
        }
    }
}
