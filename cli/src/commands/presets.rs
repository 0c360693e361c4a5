//! `troop presets`: the experiments that ship.

use troop_common::experiment::PRESETS;
use troop_common::process::say;

/// Lists the experiments that ship.
#[derive(Debug, clap::Args)]
pub(crate) struct PresetsArgs {}

/// Prints a table of all presets.
///
/// # Errors
/// If standard output is closed.
pub(crate) fn run(_: &PresetsArgs) -> anyhow::Result<()> {
    say(table()?.trim_end());
    Ok(())
}

/// One row a preset, below the headings; the last column is ragged.
fn table() -> anyhow::Result<String> {
    let mut rows = vec![["NAME", "METHOD", "ENVIRONMENT", "DESCRIPTION"].map(String::from)];
    for preset in PRESETS {
        let experiment = preset.experiment()?;
        let method = experiment.method.name().to_owned();
        let description = experiment.experiment.description;
        rows.push([
            preset.name.to_owned(),
            method,
            experiment.environment.id,
            description,
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let [name, method, environment] = [0, 1, 2].map(width);
    let line = |row: &[String; 4]| {
        let [first, second, third, last] = row;
        format!("{first:name$}  {second:method$}  {third:environment$}  {last}\n")
    };
    Ok(rows.iter().map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_has_a_row_in_columns() {
        let table = table().unwrap();
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines.len(), PRESETS.len() + 1);
        let column = lines[0].find("ENVIRONMENT").unwrap();
        let cartpole = lines
            .iter()
            .find(|line| line.starts_with("cartpole "))
            .unwrap();
        assert!(cartpole[column..].starts_with("CartPole-v1"), "{table}");
        assert!(cartpole.contains("a3c"), "{table}");
    }
}
