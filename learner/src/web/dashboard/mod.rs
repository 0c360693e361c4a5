//! The page that shows runs, and what it is told about them.
//!
//! The page is `learner/dashboard/`, embedded, and the same for everybody: it holds nothing of a run.
//! What it shows comes from `/api`, for a run of this process ([`LiveRun`]) or for those of a
//! directory ([`RunsDirectory`]).

mod assets;
mod configuration;
mod cursor;
mod live_run;
mod points;
mod routes;
mod runs;
mod runs_directory;
mod stored_run;
mod stream;
mod update;

pub use live_run::LiveRun;
pub use routes::router;
pub use runs::{NoSuchRun, Run, Runs};
pub use runs_directory::RunsDirectory;
pub use update::{RunUpdate, RunView};
