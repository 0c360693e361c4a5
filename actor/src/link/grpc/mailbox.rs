//! Where workers and their session's task meet.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::{Notify, watch};
use troop_common::experiment::Experiment;
use troop_common::layout::Layout;
use troop_common::proto::v1;
use troop_common::weights::Weights;

use super::join_info::JoinInfo;
use super::lane::{Lane, Last};
use super::outgoing::Outgoing;
use super::window::Window;
use crate::link::closed::LinkClosed;

/// Weights of each shard, and the number of the connection that they came over.
pub(super) type CameOver = (Vec<Arc<Weights>>, u64);

/// Holds the newest weights, and at most as many gradients as may be unanswered, of each learner that holds parameters.
#[derive(Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
    /// Wakes the session's workers.
    workers: Notify,
    /// Wakes the task.
    task: Notify,
    /// Where the replays are, by index.
    replays: watch::Sender<Vec<String>>,
}

#[derive(Default)]
struct State {
    joined: Option<(Box<Experiment>, JoinInfo)>,
    layout: Option<Layout>,
    /// The learner has accepted the layout once.
    accepted: bool,
    /// Counts connections; what belongs to an earlier one is dropped.
    connection: u64,
    /// The connection's streams are open.
    open: bool,
    /// Those of the connection: one with the lead, and one with each other shard.
    streams: Vec<Lane>,
    stopping: Option<String>,
    /// Why the run is over, if its last weights follow.
    over: Option<String>,
    leaving: bool,
    /// The worker was told that the run is over: nothing more is sent.
    told: bool,
    closed: Option<LinkClosed>,
    /// The task is done.
    ended: bool,
}

/// The worker's side.
impl Mailbox {
    /// Waits until the learner has been joined.
    pub(super) async fn wait_joined(&self) -> Result<(Box<Experiment>, JoinInfo), LinkClosed> {
        self.wait(|state| state.stopped().or_else(|| state.joined.take().map(Ok)))
            .await
    }

    /// Gives the layout to the task and waits until the learner has accepted it.
    pub(super) async fn open(&self, layout: &Layout) -> Result<(), LinkClosed> {
        self.lock().layout = Some(layout.clone());
        self.task.notify_waiters();
        self.wait(|state| {
            let accepted = state.accepted.then_some(Ok(()));
            state.stopped().or(accepted)
        })
        .await
    }

    /// Waits for weights to compute on, those of each shard; gives them with the number of the connection that they
    /// came over.
    pub(super) async fn wait_weights(&self) -> Result<CameOver, LinkClosed> {
        self.wait(|state| {
            let newest = state.usable_weights();
            let newest = newest.map(|weights| Ok((weights, state.connection)));
            state.stopped().or(state.is_over()).or(newest)
        })
        .await
    }

    /// The weights that the run ended with, as [`wait_weights`](Self::wait_weights) gives them; none before they have come.
    pub(super) fn last_weights(&self) -> Result<Option<CameOver>, LinkClosed> {
        let state = self.lock();
        if let Some(closed) = &state.closed {
            return Err(closed.clone());
        }
        if let Some(stopped) = state.stopped() {
            return stopped;
        }
        let are_here = state.streams.iter().all(|lane| lane.last == Last::Here);
        let weights = state.usable_weights().filter(|_| are_here);
        Ok(weights.map(|weights| (weights, state.connection)))
    }

    /// Waits until another gradient may be sent; `false` where `connection` is lost.
    pub(super) async fn wait_room(&self, connection: u64) -> Result<bool, LinkClosed> {
        self.wait(|state| {
            if !state.open || state.connection != connection {
                return Some(Ok(false));
            }
            state.has_room().then_some(Ok(true))
        })
        .await
    }

    /// Hands over what is to be sent, to the lead first; it is dropped where `connection` is lost.
    pub(super) fn send(&self, connection: u64, outgoing: impl IntoIterator<Item = Outgoing>) {
        let mut state = self.lock();
        if state.open && state.connection == connection {
            for (lane, outgoing) in state.streams.iter_mut().zip(outgoing) {
                lane.window.sent();
                lane.outgoing.push_back(outgoing);
                lane.wake_sender();
            }
        }
    }

    /// Waits until there is nothing more to be had; gives why.
    pub(super) async fn wait_closed(&self) -> LinkClosed {
        let never = self.wait(|state| state.stopped::<Infallible>()).await;
        match never {
            Ok(never) => match never {},
            Err(closed) => closed,
        }
    }

    /// Where the replays are, by index.
    pub(super) fn replays(&self) -> watch::Receiver<Vec<String>> {
        self.replays.subscribe()
    }

    /// Ends all waiting but that to send a gradient.
    pub(super) fn stop(&self, reason: &str) {
        self.update(|state| state.stopping = Some(reason.to_owned()));
    }

    /// Asks the task to end the session once what was sent is answered.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.leaving = true;
        state.wake_senders();
        self.task.notify_waiters();
    }

    /// Waits until the task is done.
    pub(super) async fn wait_ended(&self) {
        self.until(&self.workers, |state| state.ended.then_some(()))
            .await;
    }

    async fn wait<T>(
        &self,
        mut ready: impl FnMut(&mut State) -> Option<Result<T, LinkClosed>>,
    ) -> Result<T, LinkClosed> {
        self.until(&self.workers, |state| match &state.closed {
            Some(closed) => Some(Err(closed.clone())),
            None => ready(state),
        })
        .await
    }

    async fn until<T>(
        &self,
        changed: &Notify,
        mut ready: impl FnMut(&mut State) -> Option<T>,
    ) -> T {
        loop {
            let mut woken = pin!(changed.notified());
            // From here on no call is missed.
            woken.as_mut().enable();
            if let Some(value) = ready(&mut self.lock()) {
                return value;
            }
            woken.await;
        }
    }

    /// Changes what the worker may be waiting for.
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.workers.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task's side.
impl Mailbox {
    /// Says that the learner has been joined.
    pub(super) fn joined(&self, experiment: Experiment, info: JoinInfo) {
        self.update(|state| state.joined = Some((Box::new(experiment), info)));
    }

    /// Says where the replays are.
    pub(super) fn replays_are(&self, replays: v1::Replays) {
        let urls: Vec<String> = replays.places.into_iter().map(|place| place.url).collect();
        self.replays.send_if_modified(|known| {
            let news = *known != urls;
            if news {
                *known = urls;
            }
            news
        });
    }

    /// Waits for the worker's layout; none where the worker leaves instead.
    pub(super) async fn layout(&self) -> Option<Layout> {
        self.until(&self.task, |state| match (&state.layout, state.leaving) {
            (_, true) => Some(None),
            (Some(layout), false) => Some(Some(layout.clone())),
            (None, false) => None,
        })
        .await
    }

    /// Completes when the worker leaves.
    pub(super) async fn left(&self) {
        self.until(&self.task, |state| state.leaving.then_some(()))
            .await;
    }

    /// Whether the connection's streams are open.
    pub(super) fn is_open(&self) -> bool {
        self.lock().open
    }

    /// Whether the worker leaves.
    pub(super) fn is_leaving(&self) -> bool {
        self.lock().leaving
    }

    /// Whether the worker leaves, or says goodbye: its streams end.
    pub(super) fn is_parting(&self) -> bool {
        self.lock().is_parting()
    }

    /// Begins another connection, of so many streams; gives its number.
    pub(super) fn begin(&self, streams: usize) -> u64 {
        let mut state = self.lock();
        state.connection += 1;
        state.streams = std::iter::repeat_with(Lane::default)
            .take(streams)
            .collect();
        state.connection
    }

    /// Says that the connection's streams are open, and how many gradients may be unanswered on each.
    pub(super) fn opened(&self, window: &Window) {
        self.update(|state| {
            state.accepted = true;
            state.open = true;
            for lane in &mut state.streams {
                lane.window = window.clone();
            }
        });
    }

    /// Puts newer weights in the place of those that wait.
    pub(super) fn deliver(&self, stream: usize, weights: Weights) {
        self.update(|state| {
            if let Some(lane) = state.streams.get_mut(stream) {
                lane.window.delivered(weights.version);
                lane.weights = Some(Arc::new(weights));
                if lane.last == Last::Next {
                    lane.last = Last::Here;
                }
            }
        });
    }

    /// Says that the run is over, and that the weights that it ended with come over a stream next.
    pub(super) fn last_weights_follow(&self, stream: usize, reason: String) {
        self.update(|state| {
            if let Some(lane) = state.streams.get_mut(stream) {
                lane.last = Last::Next;
                state.over = Some(reason);
            }
        });
    }

    /// Says that one gradient was acknowledged over a stream when its learner was at `version`.
    pub(super) fn acknowledged(&self, stream: usize, version: u64) {
        self.update(|state| {
            if let Some(lane) = state.streams.get_mut(stream) {
                lane.window.acknowledged(version);
            }
        });
    }

    /// The next gradient to send over a stream of `connection`; none where it is lost, or where the worker
    /// leaves and all have been taken.
    pub(super) fn poll_outgoing(
        &self,
        (connection, stream): (u64, usize),
        context: &Context<'_>,
    ) -> Poll<Option<Outgoing>> {
        let mut state = self.lock();
        let of_another = state.connection != connection;
        let leaving = state.is_parting();
        let lane = state.streams.get_mut(stream).filter(|_| !of_another);
        let Some(lane) = lane else {
            return Poll::Ready(None);
        };
        match lane.outgoing.pop_front() {
            Some(outgoing) => Poll::Ready(Some(outgoing)),
            None if leaving => Poll::Ready(None),
            None => {
                lane.sender = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ends what is sent, now that the worker was told that the run is over: the learner takes that for a goodbye.
    pub(super) fn say_goodbye(&self) {
        let mut state = self.lock();
        state.told = true;
        state.wake_senders();
    }

    /// Drops all that belongs to the connection.
    pub(super) fn lost(&self) {
        self.update(|state| {
            state.open = false;
            state.over = None;
            state.connection += 1;
            state.wake_senders();
            state.streams.clear();
        });
    }

    /// Says that the task is done, and why where the worker did not ask for it; the first call
    /// counts.
    pub(super) fn end(&self, closed: Option<LinkClosed>) {
        self.update(|state| {
            if !std::mem::replace(&mut state.ended, true) {
                state.closed = closed;
            }
        });
    }
}

impl State {
    fn is_parting(&self) -> bool {
        self.leaving || self.told
    }

    /// The error of a worker that is told to stop.
    fn stopped<T>(&self) -> Option<Result<T, LinkClosed>> {
        let reason = self.stopping.clone()?;
        Some(Err(LinkClosed::Finished(reason)))
    }

    /// The error of a worker whose run is over, and which may ask for its last weights.
    fn is_over<T>(&self) -> Option<Result<T, LinkClosed>> {
        let reason = self.over.clone()?;
        Some(Err(LinkClosed::Finished(reason)))
    }

    /// The newest weights of each shard, once all have sent some and every answer lets the worker compute.
    fn usable_weights(&self) -> Option<Vec<Arc<Weights>>> {
        let lets_compute = |lane: &Lane| lane.window.lets_compute();
        if self.streams.is_empty() || !self.streams.iter().all(lets_compute) {
            return None;
        }
        self.streams
            .iter()
            .map(|lane| lane.weights.clone())
            .collect()
    }

    fn has_room(&self) -> bool {
        self.streams.iter().all(|lane| lane.window.has_room())
    }

    fn wake_senders(&mut self) {
        self.streams.iter_mut().for_each(Lane::wake_sender);
    }
}
