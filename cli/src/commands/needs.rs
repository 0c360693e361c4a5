//! `troop needs`: what a checkout has to set up before an experiment can train.

use std::io::Write;

use troop_actor::environment;
use troop_common::experiment::{Backend, Experiment};

use super::train::TrainArgs;

/// What `scripts/setup.sh` calls the parts that it sets up.
const PYTHON: &str = "python";
const LIBTORCH: &str = "libtorch";

/// # Errors
/// If there is no such experiment, or standard output is closed.
pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    let experiment = args.experiment()?;
    let mut out = std::io::stdout();
    for part in parts(&experiment) {
        writeln!(out, "{part}")?;
    }
    Ok(())
}

fn parts(experiment: &Experiment) -> impl Iterator<Item = &'static str> {
    let python = !environment::is_native(&experiment.environment);
    let libtorch = experiment.model.backend == Backend::Torch;
    let needed = [(python, PYTHON), (libtorch, LIBTORCH)];
    needed
        .into_iter()
        .filter_map(|(is_needed, part)| is_needed.then_some(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use troop_common::experiment::resolve;

    fn needed(preset: &str, overrides: &[&str]) -> Vec<&'static str> {
        let overrides: Vec<String> = overrides.iter().map(|set| (*set).to_owned()).collect();
        let resolved = resolve(preset, &overrides).expect("a preset");
        parts(&resolved.experiment).collect()
    }

    #[test]
    fn native_environments_and_networks_need_nothing() {
        assert!(needed("cartpole", &[]).is_empty());
        assert!(needed("memory", &[]).is_empty());
        assert_eq!(needed("pong", &[]), [PYTHON]);
        assert_eq!(
            needed("cartpole", &["environment.host=gymnasium"]),
            [PYTHON]
        );
        assert_eq!(needed("cartpole", &["model.backend=torch"]), [LIBTORCH]);
    }
}
