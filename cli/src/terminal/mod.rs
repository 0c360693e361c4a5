//! What a person sees at a terminal while something goes on.

mod evaluation_progress;
mod log_writer;
mod run_progress;

pub(crate) use evaluation_progress::EpisodesBar;
pub(crate) use run_progress::RunProgress;
