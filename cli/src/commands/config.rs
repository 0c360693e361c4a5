//! `troop config`: what an experiment resolves to, and where each value comes from.

use troop_common::experiment::resolve;
use troop_common::process::say;

/// Shows an experiment, resolved, with each key's origin.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// A preset's name, or a file: whatever has a slash or ends in `.toml`
    #[arg(value_name = "PRESET|FILE")]
    experiment: String,
    /// Sets a key, e.g. `method.t_max=20`; may be given several times
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// One JSON object, `experiment` and `origins`, in place of TOML
    #[arg(long)]
    json: bool,
}

/// Prints the resolved experiment.
///
/// # Errors
/// If it does not resolve, or standard output is closed.
pub(crate) fn run(args: &ConfigArgs) -> anyhow::Result<()> {
    let resolved = resolve(&args.experiment, &args.set)?;
    let text = match args.json {
        true => serde_json::to_string_pretty(&resolved)? + "\n",
        false => resolved.to_annotated_toml()?,
    };
    say(text.trim_end());
    Ok(())
}
