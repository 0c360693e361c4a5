use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use troop_learner::ProgressView;

use super::log_writer::LogWriter;

/// Time between two log lines if there is no terminal to draw on.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

/// A bar on a terminal, else a log line now and then.
pub(crate) struct RunProgress {
    bar: ProgressBar,
    last_line: Instant,
    draws: bool,
}

impl RunProgress {
    /// For a run of `total` env steps.
    pub(crate) fn new(total: u64) -> Self {
        let bar = ProgressBar::new(total);
        let template =
            "{bar:24} {percent:>3}% {human_pos}/{human_len} env steps  {msg}  {elapsed}<{eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            last_line: Instant::now(),
            draws: io::stderr().is_terminal(),
        }
    }

    /// A writer for logs that steps around the bar.
    pub(crate) fn log_writer(&self) -> LogWriter {
        LogWriter::around(&self.bar)
    }

    /// Shows where the run is.
    pub(crate) fn show(&mut self, view: &ProgressView) {
        let mean_return = view
            .return_mean_100
            .map_or_else(|| "–".into(), |mean| format!("{mean:.1}"));
        let evaluation = view.counters.last_evaluation;
        if self.draws {
            let evaluated = evaluation.map_or_else(String::new, |last| {
                format!(" (evaluated {:.1})", last.return_mean.get())
            });
            self.bar.set_position(view.counters.env_steps);
            self.bar.set_message(format!(
                "{:.0} steps/s  return {mean_return}{evaluated}  staleness {:.1}",
                view.env_steps_per_second, view.staleness_updates.mean
            ));
        } else if self.last_line.elapsed() >= LINE_INTERVAL {
            self.last_line = Instant::now();
            tracing::info!(
                env_steps = view.counters.env_steps,
                env_steps_per_second = view.env_steps_per_second.round(),
                return_mean_100 = view.return_mean_100.map(f64::from),
                evaluated = evaluation.map(|last| last.return_mean.get()),
                staleness_updates = view.staleness_updates.mean,
                "progress"
            );
        }
    }

    /// Leaves the last state on the screen.
    pub(crate) fn finish(&self) {
        self.bar.abandon();
    }
}
