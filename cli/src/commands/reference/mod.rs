//! `troop reference`: writes the tables of docs/ that are made of the code. For those who change the code.

mod document;
mod tables;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use document::fill;

/// The documents that have such tables.
const DOCUMENTS: [&str; 2] = ["configuration.md", "metrics.md"];

/// Write the tables of keys and metrics into a checkout's documents.
#[derive(Args)]
pub(crate) struct ReferenceArgs {
    /// The directory of the documents.
    #[arg(value_name = "DIR", default_value = "docs")]
    directory: PathBuf,
    /// Write nothing; fail if a table is not what the code says.
    #[arg(long)]
    check: bool,
}

/// # Errors
/// If a document cannot be read or written, or, with `--check`, is stale.
pub(crate) fn run(args: &ReferenceArgs) -> anyhow::Result<()> {
    for name in DOCUMENTS {
        let path = args.directory.join(name);
        let shown = path.display();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
        let filled = fill(&text, tables::table).with_context(|| format!("cannot fill {shown}"))?;
        if args.check {
            anyhow::ensure!(text == filled, "{shown} is stale: run `make docs-tables`");
        } else if text != filled {
            fs::write(&path, filled).with_context(|| format!("cannot write {shown}"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_are_what_the_code_says() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs").into();
        let args = ReferenceArgs {
            directory,
            check: true,
        };
        run(&args).unwrap();
    }
}
