//! Where a worker's thread and its session's task meet.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1::{Encoding, Report};
use troop_common::weights::Weights;
use troop_common::wire::Chunk;

use super::{JoinInfo, LinkClosed};

/// A gradient on its way to the learner.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) epoch: u64,
    pub(super) version: u64,
    pub(super) elements: u64,
    pub(super) encoding: Encoding,
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) report: Report,
}

/// Holds the newest weights, and at most as many gradients as may be unanswered.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// Wakes the worker.
    changed: Condvar,
    /// Wakes the task.
    wake: Notify,
}

#[derive(Default)]
struct State {
    joined: Option<(Box<Experiment>, JoinInfo)>,
    layout: Option<Layout>,
    /// The learner has accepted the layout once.
    accepted: bool,
    /// Counts connections; what belongs to an earlier one is dropped.
    connection: u64,
    /// The connection's stream is open.
    open: bool,
    window: usize,
    unanswered: usize,
    outgoing: VecDeque<Outgoing>,
    /// Whoever sends the outgoing gradients.
    sender: Option<Waker>,
    weights: Option<Arc<Weights>>,
    stopping: Option<String>,
    leaving: bool,
    closed: Option<LinkClosed>,
    /// The task is done.
    ended: bool,
}

/// The worker's side; calls block its thread.
impl Mailbox {
    /// Waits until the learner has been joined.
    pub(super) fn wait_joined(&self) -> Result<(Box<Experiment>, JoinInfo), LinkClosed> {
        self.wait(|state| state.stopped().or_else(|| state.joined.take().map(Ok)))
    }

    /// Gives the layout to the task and waits until the learner has accepted it.
    pub(super) fn open(&self, layout: &Layout) -> Result<(), LinkClosed> {
        self.lock().layout = Some(layout.clone());
        self.wake.notify_waiters();
        self.wait(|state| {
            let accepted = state.accepted.then_some(Ok(()));
            state.stopped().or(accepted)
        })
    }

    /// Waits for weights; gives them with the number of the connection that they came over.
    pub(super) fn wait_weights(&self) -> Result<(Arc<Weights>, u64), LinkClosed> {
        self.wait(|state| {
            let weights = state.weights.as_ref();
            let newest = weights.map(|weights| Ok((Arc::clone(weights), state.connection)));
            state.stopped().or(newest)
        })
    }

    /// Waits until another gradient may be sent; `false` where `connection` is lost.
    pub(super) fn wait_room(&self, connection: u64) -> Result<bool, LinkClosed> {
        self.wait(|state| {
            if !state.open || state.connection != connection {
                return Some(Ok(false));
            }
            (state.unanswered < state.window).then_some(Ok(true))
        })
    }

    /// Hands a gradient over; it is dropped where `connection` is lost.
    pub(super) fn send(&self, connection: u64, outgoing: Outgoing) {
        let mut state = self.lock();
        if state.open && state.connection == connection {
            state.unanswered += 1;
            state.outgoing.push_back(outgoing);
            state.wake_sender();
        }
    }

    /// Ends all waiting but that to send a gradient.
    pub(super) fn stop(&self, reason: &str) {
        self.lock().stopping = Some(reason.to_owned());
        self.changed.notify_all();
    }

    /// Ends the session once what was sent is answered; waits for that up to `limit`.
    pub(super) fn leave(&self, limit: Duration) {
        let mut state = self.lock();
        state.leaving = true;
        state.wake_sender();
        self.wake.notify_waiters();
        let deadline = Instant::now() + limit;
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn wait<T>(
        &self,
        mut ready: impl FnMut(&mut State) -> Option<Result<T, LinkClosed>>,
    ) -> Result<T, LinkClosed> {
        let mut state = self.lock();
        loop {
            if let Some(closed) = &state.closed {
                return Err(closed.clone());
            }
            if let Some(result) = ready(&mut state) {
                return result;
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's side.
impl Mailbox {
    /// Says that the learner has been joined.
    pub(super) fn joined(&self, experiment: Experiment, info: JoinInfo) {
        self.lock().joined = Some((Box::new(experiment), info));
        self.changed.notify_all();
    }

    /// Waits for the worker's layout; none where the worker leaves instead.
    pub(super) async fn layout(&self) -> Option<Layout> {
        self.until(|state| match (&state.layout, state.leaving) {
            (_, true) => Some(None),
            (Some(layout), false) => Some(Some(layout.clone())),
            (None, false) => None,
        })
        .await
    }

    /// Completes when the worker leaves.
    pub(super) async fn left(&self) {
        self.until(|state| state.leaving.then_some(())).await;
    }

    /// Whether the connection's stream is open.
    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Whether the worker leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Begins another connection; gives its number.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.connection += 1;
        state.connection
    }

    /// Says that the connection's stream is open and takes `window` unanswered gradients.
    pub(super) fn opened(&self, window: usize) {
        let mut state = self.lock();
        state.accepted = true;
        state.open = true;
        state.window = window;
        self.changed.notify_all();
    }

    /// Puts newer weights in the place of those that wait.
    pub(super) fn deliver(&self, weights: Weights) {
        self.lock().weights = Some(Arc::new(weights));
        self.changed.notify_all();
    }

    /// Says that one gradient was answered.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        state.unanswered = state.unanswered.saturating_sub(1);
        self.changed.notify_all();
    }

    /// The next gradient to send over `connection`; none where it is lost, or where the worker
    /// leaves and all have been taken.
    pub(super) fn poll_outgoing(
        &self,
        connection: u64,
        context: &Context<'_>,
    ) -> Poll<Option<Outgoing>> {
        let mut state = self.lock();
        if state.connection != connection {
            return Poll::Ready(None);
        }
        match state.outgoing.pop_front() {
            Some(outgoing) => Poll::Ready(Some(outgoing)),
            None if state.leaving => Poll::Ready(None),
            None => {
                state.sender = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Drops all that belongs to the connection.
    pub(super) fn lost(&self) {
        let mut state = self.lock();
        state.open = false;
        state.connection += 1;
        state.unanswered = 0;
        state.outgoing.clear();
        state.weights = None;
        state.wake_sender();
        self.changed.notify_all();
    }

    /// Says that the task is done, and why where the worker did not ask for it.
    pub(super) fn end(&self, closed: Option<LinkClosed>) {
        let mut state = self.lock();
        state.closed = closed;
        state.ended = true;
        self.changed.notify_all();
    }

    async fn until<T>(&self, ready: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut woken = std::pin::pin!(self.wake.notified());
            // From here on no call is missed.
            woken.as_mut().enable();
            if let Some(value) = ready(&self.lock()) {
                return value;
            }
            woken.await;
        }
    }
}

impl State {
    /// The error of a worker that is told to stop.
    fn stopped<T>(&self) -> Option<Result<T, LinkClosed>> {
        let reason = self.stopping.clone()?;
        Some(Err(LinkClosed::Finished(reason)))
    }

    fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}
