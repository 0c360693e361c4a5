use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use troop_common::proto::v1;
use troop_common::proto::v1::draw_request::Kind;
use troop_common::wire::{Outgoing, Rope};
use troop_replay::ReplaySettings;
use troop_replay::codec::settings_difference;

use super::stream_end::StreamEnd;
use crate::link::closed::LinkClosed;

/// Where a worker that trains meets the tasks that hold its streams, one a replay: what it asks for, what has come.
pub(super) struct Shelf {
    state: Mutex<State>,
    /// Somebody waits: the worker.
    changed: Notify,
}

struct State {
    sources: Vec<Source>,
    ready: VecDeque<Ready>,
    settings: Option<ReplaySettings>,
}

/// One replay.
#[derive(Default)]
struct Source {
    open: Option<Open>,
    /// Why it is not looked for any more.
    closed: Option<LinkClosed>,
}

/// A stream that is open.
struct Open {
    life: u64,
    /// What is to be sent. There is no more than follows from draws that have come.
    requests: mpsc::UnboundedSender<Outgoing>,
    demands: u64,
    unanswered: usize,
}

impl Open {
    /// Of a replay's life, with nothing asked yet.
    fn new(life: u64, requests: mpsc::UnboundedSender<Outgoing>) -> Self {
        Self {
            life,
            requests,
            demands: 0,
            unanswered: 0,
        }
    }
}

/// A draw that has come.
pub(super) struct Ready {
    /// The replay's index and its life.
    pub(super) life: (usize, u64),
    pub(super) bytes: Rope,
}

impl Shelf {
    pub(super) fn new(replays: usize) -> Self {
        Self {
            state: Mutex::new(State {
                sources: (0..replays).map(|_| Source::default()).collect(),
                ready: VecDeque::new(),
                settings: None,
            }),
            changed: Notify::new(),
        }
    }

    /// What the replays are made for, once that is known.
    pub(super) fn settings(&self) -> Option<ReplaySettings> {
        self.lock().settings.clone()
    }

    /// Why there will be nothing more: no replay is left.
    pub(super) fn closed(&self) -> Option<LinkClosed> {
        let state = self.lock();
        let all = state.sources.iter().all(|source| source.closed.is_some());
        let finished = |closed: &&LinkClosed| matches!(closed, LinkClosed::Finished(_));
        let why = || state.sources.iter().filter_map(|it| it.closed.as_ref());
        let over = why().find(finished).cloned();
        over.or_else(|| all.then(|| why().next().cloned()).flatten())
    }

    /// Waits for something to change.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// The next draw that has come.
    pub(super) fn take(&self) -> Option<Ready> {
        self.lock().ready.pop_front()
    }

    /// Asks until so many draws are on their way or there, each replay for its share of them and for one at least: what one
    /// that nobody adds to is asked for may not come for ever.
    pub(super) fn ask(&self, prefetch: usize, mut demand: impl FnMut() -> v1::Demand) {
        let mut state = self.lock();
        let State { sources, ready, .. } = &mut *state;
        let open = sources.iter().filter(|it| it.open.is_some()).count();
        for (index, source) in sources.iter_mut().enumerate() {
            let Some(stream) = &mut source.open else {
                continue;
            };
            let there = ready.iter().filter(|it| it.life.0 == index).count();
            let share = prefetch.div_ceil(open);
            for _ in there + stream.unanswered..share {
                stream.ask(demand());
            }
        }
    }

    /// Sends priorities of items of a life, if it is still there.
    pub(super) fn reprioritise(&self, (index, life): (usize, u64), priorities: v1::Priorities) {
        let state = self.lock();
        match state.sources.get(index).and_then(|it| it.open.as_ref()) {
            Some(open) if open.life == life => open.send(Kind::Priorities(priorities)),
            _ => tracing::debug!(index, "priorities of a replay that is gone"),
        }
    }

    /// A stream is open.
    ///
    /// # Errors
    /// If the replay is made for other experience than the others.
    pub(super) fn opened(
        &self,
        (index, life): (usize, u64),
        settings: &ReplaySettings,
        requests: mpsc::UnboundedSender<Outgoing>,
    ) -> Result<(), StreamEnd> {
        let mut state = self.lock();
        let known = state.settings.get_or_insert_with(|| settings.clone());
        if known != settings {
            let what = settings_difference(known, settings).unwrap_or_default();
            let why = format!("it is made for other experience than the others: {what}");
            return Err(StreamEnd::Refused(why));
        }
        if let Some(source) = state.sources.get_mut(index) {
            source.open = Some(Open::new(life, requests));
        }
        self.changed.notify_one();
        Ok(())
    }

    /// A draw has come.
    pub(super) fn put(&self, (index, life): (usize, u64), bytes: Rope) {
        let mut state = self.lock();
        if let Some(open) = state.sources.get_mut(index).and_then(|it| it.open.as_mut()) {
            open.unanswered = open.unanswered.saturating_sub(1);
        }
        state.ready.push_back(Ready {
            life: (index, life),
            bytes,
        });
        self.changed.notify_one();
    }

    /// A stream is lost; for good, if there is a reason.
    pub(super) fn lost(&self, index: usize, closed: Option<LinkClosed>) {
        if let Some(source) = self.lock().sources.get_mut(index) {
            source.open = None;
            source.closed = closed;
        }
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn ask(&mut self, demand: v1::Demand) {
        self.demands += 1;
        self.unanswered += 1;
        self.send(Kind::Demand(v1::Demand {
            demand: self.demands,
            ..demand
        }));
    }

    fn send(&self, kind: Kind) {
        let message = v1::DrawRequest { kind: Some(kind) };
        // If the stream has just ended its task says so.
        let _ = self.requests.send(Outgoing::new(&message));
    }
}
