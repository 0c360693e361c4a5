use std::io;
use std::sync::Arc;

use troop_common::experiment::SolvedBy;

use super::configuration::without_security;
use super::cursor::Cursor;
use super::runs::{NoSuchRun, Run, Runs};
use super::update::{LiveView, NowView, RunPhase, RunUpdate, RunView};
use crate::answers::Phase;
use crate::lock::lock;
use crate::parameter_server::ParameterServer;
use crate::run_files::checkpoint_health::CheckpointHealth;
use crate::run_files::history::SharedHistory;
use crate::run_files::run_keeper::RunKeeper;

/// Sessions that a page is shown; `/api/status` has all of them.
const SHOWN_SESSIONS: usize = 256;

/// The run of this process.
#[derive(Clone)]
pub struct LiveRun {
    name: Arc<str>,
    server: Arc<ParameterServer>,
    history: SharedHistory,
    checkpoint_health: CheckpointHealth,
}

impl LiveRun {
    /// The run that `keeper` keeps, under its directory's name.
    pub fn of(keeper: &RunKeeper) -> Self {
        let path = keeper.directory().path();
        let name = path.file_name().unwrap_or(path.as_os_str());
        let (server, health) = (Arc::clone(keeper.server()), keeper.checkpoint_health());
        Self::new(&name.to_string_lossy(), server, keeper.history(), health)
    }

    /// `server`'s run, called `name`, with its history and how its checkpoints are.
    pub(crate) fn new(
        name: &str,
        server: Arc<ParameterServer>,
        history: SharedHistory,
        checkpoint_health: CheckpointHealth,
    ) -> Self {
        Self {
            name: name.into(),
            server,
            history,
            checkpoint_health,
        }
    }

    pub(crate) fn checkpoint_health(&self) -> CheckpointHealth {
        self.checkpoint_health.clone()
    }

    pub(crate) fn server(&self) -> Arc<ParameterServer> {
        Arc::clone(&self.server)
    }

    fn view(&self) -> RunView {
        let run = &self.server.experiment().experiment;
        RunView {
            run: self.name.to_string(),
            experiment: run.name.clone(),
            seed: run.seed,
            phase: match &*self.server.phase().borrow() {
                Phase::Running => RunPhase::Running,
                Phase::Draining(_) => RunPhase::Draining,
                Phase::Finished(_) => RunPhase::Finished,
            },
            problem: None,
            total_env_steps: run.total_env_steps,
            solve_return: run.solve_return,
            solved_by_evaluation: run.solved_by == SolvedBy::Evaluation,
            now: NowView::of_progress(
                &self.server.progress(),
                self.server.ledger().staleness_histogram(),
            ),
        }
    }

    fn live(&self) -> LiveView {
        let sessions = self.server.sessions();
        LiveView {
            epoch: self.server.epoch(),
            version: self.server.version(),
            session_count: sessions.len(),
            sessions: sessions.into_iter().take(SHOWN_SESSIONS).collect(),
            replays: self.server.replays(),
        }
    }
}

impl Runs for LiveRun {
    type Run = LiveLook;

    fn list(&self) -> io::Result<Vec<RunView>> {
        Ok(vec![self.view()])
    }

    fn open(&self, name: &str) -> Result<LiveLook, NoSuchRun> {
        if *name != *self.name {
            return Err(NoSuchRun(name.into()));
        }
        Ok(LiveLook {
            run: self.clone(),
            cursor: Cursor::default(),
        })
    }
}

/// One viewer's look at it.
pub struct LiveLook {
    run: LiveRun,
    cursor: Cursor,
}

impl Run for LiveLook {
    fn refresh(&mut self) -> io::Result<RunUpdate> {
        Ok(RunUpdate {
            view: self.run.view(),
            live: Some(self.run.live()),
            news: self.cursor.take(&lock(&self.run.history)),
        })
    }

    fn configuration(&self) -> io::Result<String> {
        let text = self.run.server.experiment().to_toml();
        without_security(&text.map_err(io::Error::other)?)
    }
}
