use serde::Serialize;
use troop_common::process::say;

use super::args::PlanArgs;
use super::closed_form::ClosedForm;
use super::demand::{Demand, Learner};
use super::outcome::Outcome;
use super::simulation::Cluster;
use super::sizing::Sizing;
use crate::summary::readable;

/// All that is said.
#[derive(Debug, Serialize)]
pub(super) struct Plan<'a> {
    pub(super) settings: &'a PlanArgs,
    pub(super) demand: Demand,
    pub(super) learner: Learner,
    #[serde(rename = "plan")]
    pub(super) sizing: Sizing,
    pub(super) arithmetic: Vec<(&'static str, String)>,
    #[serde(flatten)]
    pub(super) simulated: Option<Simulated>,
}

/// A cluster as it went, beside what formulas say.
#[derive(Debug, Serialize)]
pub(super) struct Simulated {
    cluster: Cluster,
    #[serde(rename = "simulation")]
    outcome: Outcome,
    #[serde(rename = "closed_form")]
    formula: ClosedForm,
}

impl Simulated {
    pub(super) fn new(cluster: Cluster) -> Self {
        Self {
            outcome: Outcome::of(cluster),
            formula: ClosedForm::of(&cluster),
            cluster,
        }
    }

    /// What is shown of it: simulated, and by formula if there is one.
    fn rows(&self) -> [(&'static str, f64, Option<f64>); 9] {
        let (found, formula) = (&self.outcome, &self.formula);
        let row = |what, (found, formula): (f64, f64), scale: f64| {
            (what, scale * found, Some(scale * formula))
        };
        let rates = (found.gradients_per_second, formula.gradients_per_second);
        let links_in = (found.link_in_busy_share, formula.link_in_busy_share);
        let applying = (found.applying_busy_share, formula.applying_busy_share);
        let links_out = (found.link_out_busy_share, formula.link_out_busy_share);
        let waits = (found.wait_mean_seconds, formula.wait_mean_seconds);
        let stalenesses = (found.staleness_mean_updates, formula.staleness_mean_updates);
        [
            row("gradients/s", rates, 1.0),
            row("links in, busy %", links_in, 100.0),
            row("applying, busy %", applying, 100.0),
            row("links out, busy %", links_out, 100.0),
            row("wait mean, ms", waits, 1e3),
            ("wait p50, ms", 1e3 * found.wait_p50_seconds, None),
            ("wait p99, ms", 1e3 * found.wait_p99_seconds, None),
            row("staleness mean, updates", stalenesses, 1.0),
            ("staleness p99, updates", found.staleness_p99_updates, None),
        ]
    }

    fn print(&self) {
        let Cluster {
            workers,
            shards,
            gradients,
            ..
        } = self.cluster;
        say(format_args!(
            "{workers} workers, {shards} learners, {gradients} gradients:"
        ));
        say(format_args!(
            "  {:<24}{:>16}{:>16}",
            "", "simulated", "by formula"
        ));
        for (what, found, formula) in self.rows() {
            let (found, formula) = (readable(found), formula.map(readable).unwrap_or_default());
            say(format_args!("  {what:<24}{found:>16}{formula:>16}"));
        }
    }
}

impl Plan<'_> {
    /// Shows it on standard output, as one JSON object or as text.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            say(serde_json::to_string_pretty(self)?);
            return Ok(());
        }
        for (what, how) in &self.arithmetic {
            say(format_args!("{what:<16}{how}"));
        }
        if let Some(simulated) = &self.simulated {
            simulated.print();
        }
        Ok(())
    }
}
