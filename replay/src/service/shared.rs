use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::watch;
use tonic::Status;
use troop_common::bounds;
use troop_common::call_error::CallError;
use troop_common::experiment::WireSettings;
use troop_common::proto::{PROTOCOL, v1};
use troop_common::telemetry::VERSION;
use troop_common::wire::Buffers;

use super::closing::Closing;
use super::counts;
use super::desk::Desk;
use super::metrics::ReplayMetrics;
use super::room::Room;
use super::seats::Seats;
use super::settings_limits::{self, Portions};
use super::turns::Turns;
use crate::available_memory::{self, ReplayDemand};
use crate::codec::{settings_difference, settings_from_text};
use crate::journal::{Head, Journal, JournalError, Limits, Past, Refill};
use crate::replay::{Replay, ReplayCounts};
use crate::settings::{ReplaySettings, TableKind};

/// Segments that are on their way, or wait for those who draw.
const APPEND_BYTES: usize = 24 << 20;

/// Draws that are on their way.
const DRAW_BYTES: usize = 24 << 20;

/// Streams of `Append` at once.
const MOST_WRITERS: usize = 4_096;

/// Streams of `Draw` at once.
const MOST_READERS: usize = 256;

/// What a service is told of its run.
#[derive(Clone, Debug)]
pub struct ServiceSettings {
    /// What the run is called: workers of other runs are refused. Empty if that is not known.
    pub run: String,
    /// Bytes that the replay takes, `topology.replay_bytes`.
    pub replay_bytes: u64,
    /// Keep-alive.
    pub wire: WireSettings,
    /// What no other life of a replay of this run has.
    pub life: u64,
    /// The directory where it writes down what it takes, for a later life; none if it does not.
    pub journal: Option<PathBuf>,
}

/// A replay that workers of other processes add to and draw from. The first of those who add says what it is.
#[derive(Clone)]
pub struct ReplayService(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) settings: ServiceSettings,
    pub(super) made: watch::Sender<Option<Arc<Made>>>,
    /// Held while a replay is made.
    making: Mutex<()>,
    pub(super) closing: watch::Sender<Option<Closing>>,
    pub(super) desk: Arc<Desk>,
    pub(super) writers: Seats,
    pub(super) readers: Seats,
    pub(super) append_room: Room,
    pub(super) draw_room: Room,
    /// For encoded draws.
    pub(super) buffers: Buffers<u8>,
    pub(super) metrics: ReplayMetrics,
}

/// The replay, once somebody has said what it is.
pub(super) struct Made {
    pub(super) settings: ReplaySettings,
    /// The same, as it came.
    pub(super) text: String,
    pub(super) replay: Arc<Replay>,
    /// Where what it takes is written down.
    pub(super) journal: Option<Arc<Mutex<Journal>>>,
    /// How much may be on its way at once.
    pub(super) portions: Portions,
    /// Those who add, and those who draw.
    pub(super) appends: Turns,
    pub(super) draws: Turns,
}

impl ReplayService {
    /// No replay yet.
    pub fn new(settings: ServiceSettings, metrics: ReplayMetrics) -> Self {
        Self(Arc::new(Shared {
            settings,
            made: watch::Sender::new(None),
            making: Mutex::default(),
            closing: watch::Sender::new(None),
            desk: Arc::new(Desk::new()),
            writers: Seats::new(MOST_WRITERS),
            readers: Seats::new(MOST_READERS),
            append_room: Room::new(APPEND_BYTES, metrics.append_bytes.clone()),
            draw_room: Room::new(DRAW_BYTES, metrics.draw_bytes.clone()),
            buffers: Buffers::default(),
            metrics,
        }))
    }

    /// Begins with what its journal holds, if there is one that holds something. Blocks while it is read.
    ///
    /// # Errors
    /// If it cannot be read, or is of another replay.
    pub fn refill(&self) -> Result<(), JournalError> {
        let shared = &self.0;
        let Some(directory) = &shared.settings.journal else {
            return Ok(());
        };
        let Some(past) = Past::find(directory)? else {
            return Ok(());
        };
        let (expected, found) = (&shared.settings.run, &past.head.run);
        if !expected.is_empty() && expected != found {
            let why = format!("it is of run `{found}`, expected `{expected}`");
            return Err(past.of_another(&why));
        }
        let made = shared.make(&past.head.settings);
        let made = made.map_err(|refused| past.of_another(&refused.message()))?;
        let began = Instant::now();
        let segments = Refill::of(&made.replay, &made.settings).run(&past)?;
        tracing::info!(
            segments,
            items = made.replay.counts().items_held,
            seconds = began.elapsed().as_secs_f64(),
            "the replay holds again what its journal holds"
        );
        Ok(())
    }

    /// What it has done and what it holds.
    pub fn counts(&self) -> v1::ReplayCounts {
        let made = self.0.made.borrow();
        let counts = made.as_ref().map(|made| made.replay.counts());
        let unmade = ReplayCounts {
            bytes_limit: self.0.settings.replay_bytes,
            ..ReplayCounts::default()
        };
        counts::message(&counts.unwrap_or(unmade), self.0.readers.open())
    }

    /// Brings what `/metrics` shows up to date.
    pub fn update_metrics(&self) {
        self.0.metrics.update(&self.counts());
    }

    /// Ends it: streams are told why, and [`closed`](Self::closed) completes. The first reason stays.
    pub fn close(&self, why: Closing) {
        self.0.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            closing.get_or_insert(why);
            first
        });
        if let Some(made) = &*self.0.made.borrow() {
            made.replay.close();
        }
    }

    /// Completes once it is closed.
    pub fn closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closing = self.0.closing.subscribe();
        async move {
            // If there is no service any more, it is closed as well.
            let _ = closing.wait_for(Option::is_some).await;
        }
    }

    pub(super) fn wire(&self) -> &WireSettings {
        &self.0.settings.wire
    }

    pub(super) fn status(&self) -> v1::ReplayStatusResponse {
        v1::ReplayStatusResponse {
            life: self.0.settings.life,
            run: bounds::STATUS_RUN.cut(&self.0.settings.run),
            software: VERSION.into(),
            counts: Some(self.counts()),
        }
    }
}

impl Shared {
    /// Refuses callers of other software or of another run.
    pub(super) fn check_caller(&self, protocol: u32, run: &str) -> Result<(), Status> {
        if protocol != PROTOCOL {
            return Err(CallError::Protocol.status(format!(
                "the worker speaks protocol {protocol}; the replay (troop {VERSION}) speaks protocol {PROTOCOL}: bring \
                 both to one version"
            )));
        }
        let expected = &self.settings.run;
        if expected.is_empty() || expected == run {
            return Ok(());
        }
        Err(CallError::Replay.status(format!(
            "the worker is of run `{run}`; the replay is of run `{expected}`"
        )))
    }

    /// The replay of these settings: a new one if there is none yet.
    pub(super) fn make(&self, text: &str) -> Result<Arc<Made>, Status> {
        let refused = |error: &dyn std::fmt::Display| CallError::Replay.status(error);
        let settings = settings_from_text(text).map_err(|error| refused(&error))?;
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = &*self.made.borrow() {
            return match made.settings == settings {
                true => Ok(Arc::clone(made)),
                false => Err(refused(&other_experience(&made.settings, &settings))),
            };
        }
        let limit = self.settings.replay_bytes;
        settings_limits::check(&settings, limit).map_err(|error| refused(&error))?;
        refuse_without_memory(limit).map_err(|error| refused(&error))?;
        let replay = Replay::new(settings.clone()).map_err(|error| refused(&error))?;
        tracing::info!(bytes = limit, "the replay is made");
        let journal = self
            .journal(text, &settings, &replay)
            .map_err(|error| refused(&format!("its journal cannot be begun: {error}")))?;
        let made = Arc::new(Made {
            journal,
            portions: Portions::of(&settings),
            settings,
            text: text.to_owned(),
            replay: Arc::new(replay),
            appends: Turns::default(),
            draws: Turns::default(),
        });
        self.made.send_replace(Some(Arc::clone(&made)));
        Ok(made)
    }

    /// Where what a replay takes is to be written down.
    fn journal(
        &self,
        text: &str,
        settings: &ReplaySettings,
        replay: &Replay,
    ) -> io::Result<Option<Arc<Mutex<Journal>>>> {
        let Some(directory) = &self.settings.journal else {
            return Ok(None);
        };
        if matches!(settings.table, TableKind::Fifo { .. }) {
            tracing::warn!("items of a queue are drawn once: none are written to the journal");
            return Ok(None);
        }
        let head = Head {
            run: self.settings.run.clone(),
            settings: text.to_owned(),
        };
        let limits = Limits {
            env_steps: replay.counts().env_steps_limit,
            bytes: settings.bytes,
        };
        let journal = Journal::new(directory, head, limits, self.metrics.journal())?;
        Ok(Some(Arc::new(Mutex::new(journal))))
    }

    /// Completes once it is closed, with what callers are told.
    pub(super) async fn closes(&self) -> Status {
        let mut closing = self.closing.subscribe();
        let why = closing.wait_for(Option::is_some).await;
        // The sender lives as long as this.
        let why = why.ok().and_then(|why| why.clone());
        why.map_or_else(
            || CallError::Draining.status("the replay ends"),
            |why| why.status(),
        )
    }
}

/// What differs first, and how.
fn other_experience(made: &ReplaySettings, found: &ReplaySettings) -> String {
    let difference = settings_difference(made, found);
    let what = difference.unwrap_or_else(|| "its settings differ".into());
    format!("the replay is made for other experience: {what}")
}

/// It takes memory as it fills: it has to be there then.
fn refuse_without_memory(bytes: u64) -> Result<(), available_memory::ReplayTooLarge> {
    let demand = ReplayDemand {
        bytes_per_worker: bytes,
        capacity_key: "topology.replay_bytes",
        capacity: usize::try_from(bytes).unwrap_or(usize::MAX),
    };
    available_memory::check(&demand, 1)
}
