use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use troop_actor::evaluation::EvaluationProgress;

use super::log_writer::LogWriter;

/// Time between two log lines if there is no terminal to draw on, and between two drawings if there
/// is one.
const LINE_INTERVAL: Duration = Duration::from_secs(10);
const DRAWING_INTERVAL: Duration = Duration::from_millis(100);

/// A bar on a terminal, else a log line now and then.
pub(crate) struct EpisodesBar {
    bar: ProgressBar,
    episodes: u64,
    shown: Instant,
    draws: bool,
}

impl EpisodesBar {
    /// For so many episodes.
    pub(crate) fn new(episodes: u64) -> Self {
        let bar = ProgressBar::new(episodes);
        let template = "{bar:24} {human_pos}/{human_len} episodes  {msg}  {elapsed}<{eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            episodes,
            shown: Instant::now(),
            draws: io::stderr().is_terminal(),
        }
    }

    /// A writer for logs that steps around the bar.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::around(&self.bar)
    }

    /// Shows how far it is, if it is time for that.
    pub(crate) fn show(&mut self, progress: EvaluationProgress) {
        let interval = if self.draws {
            DRAWING_INTERVAL
        } else {
            LINE_INTERVAL
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let EvaluationProgress {
            episodes,
            env_steps,
        } = progress;
        if self.draws {
            self.bar.set_position(episodes as u64);
            self.bar.set_message(format!("{env_steps} env steps"));
        } else {
            let asked = self.episodes;
            tracing::info!(episodes, asked, env_steps, "episodes are acted");
        }
    }

    /// Takes it off the screen: the result says more.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
