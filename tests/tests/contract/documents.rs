//! The project's documents as tests read them.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use troop_tests::checkout;

/// One command that a document shows.
pub(crate) struct CommandLine {
    /// The program with its subcommand.
    pub(crate) command: String,
    /// The flags that it is shown with.
    pub(crate) flags: BTreeSet<String>,
    /// As it stands there.
    pub(crate) text: String,
}

/// Every command of Troop's that any document shows.
pub(crate) fn command_lines() -> Vec<CommandLine> {
    let code = pieces_of_code();
    code.iter()
        .filter_map(|code| CommandLine::parse(code))
        .collect()
}

/// What is set together in one piece of code.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Settings {
    /// The preset that is trained there, if one is.
    pub(crate) preset: Option<String>,
    /// `SECTION.KEY=VALUE`, each.
    pub(crate) set: Vec<String>,
}

/// Everything that any document shows after `--set`, `section.key=value`.
pub(crate) fn settings() -> BTreeSet<Settings> {
    let of_code = |code: String| {
        let words = words(&code);
        let pairs = words.windows(2);
        let train = |pair: &&[String]| pair[0] == "train" && !pair[1].starts_with('-');
        let preset = pairs.clone().find(train).map(|pair| pair[1].clone());
        let set = pairs.filter(|pair| pair[0] == "--set");
        let set = set.map(|pair| pair[1].clone());
        Settings {
            preset: preset.filter(|name| troop_common::experiment::Preset::find(name).is_ok()),
            set: set.filter(|setting| is_setting(setting)).collect(),
        }
    };
    // Helm's charts have values of their own, set with the same flag.
    let ours = pieces_of_code().into_iter();
    let ours = ours.filter(|code| !code.starts_with("helm "));
    let all = ours.map(of_code);
    all.filter(|settings| !settings.set.is_empty()).collect()
}

impl CommandLine {
    fn parse(code: &str) -> Option<Self> {
        let code = code.split(" # ").next()?;
        let words = words(code);
        let program = words.first()?.rsplit('/').next()?;
        let (command, rest) = match program {
            "troop" => {
                let subcommand = words
                    .get(1)
                    .filter(|word| word.bytes().all(|b| b.is_ascii_lowercase()))?;
                // `troop bench` has commands of its own.
                let names = if subcommand == "bench" { 2 } else { 1 };
                let name = words.get(1..=names)?.join(" ");
                (format!("{program} {name}"), words.get(names + 1..)?)
            }
            "troop-learner" | "troop-replay" | "troop-actor" => {
                (program.to_owned(), words.get(1..)?)
            }
            _ => return None,
        };
        Some(Self {
            command,
            flags: flags(&rest.join(" ")),
            text: code.to_owned(),
        })
    }
}

/// Every `--flag` of a text.
pub(crate) fn flags(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_lowercase() || letter == '-';
    let words = text.split(|letter: char| !is_part(letter));
    let long = words.filter(|word| word.len() > 2 && word.starts_with("--"));
    long.map(str::to_owned).collect()
}

/// The cells of every row of a document's tables.
pub(crate) fn table_rows(text: &str) -> impl Iterator<Item = Vec<String>> {
    let rows = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| {
        let cells = row.replace("\\|", "\u{0}");
        cells
            .split('|')
            .map(|cell| cell.trim().replace('\u{0}', "|"))
            .collect()
    })
}

fn documents() -> Vec<PathBuf> {
    let folders = ["", "docs", "docs/decisions", "docs/design", "docs/results"];
    let folders = folders.map(|folder| checkout().join(folder));
    let entries = folders.iter().flat_map(fs::read_dir).flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

/// The lines of fenced blocks, and what stands between backticks elsewhere.
fn pieces_of_code() -> Vec<String> {
    let texts = documents()
        .into_iter()
        .map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|text| pieces_of_code_in(&text)).collect()
}

fn pieces_of_code_in(text: &str) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut fenced = false;
    for line in text.replace("\\\n", " ").lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            pieces.push(line.trim().to_owned());
        } else {
            let spans = line.split('`').skip(1).step_by(2);
            pieces.extend(spans.map(|span| span.replace("\\|", "|")));
        }
    }
    pieces
}

/// Words as a shell would take them, single quotes included.
fn words(code: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in code.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(piece.to_owned());
        } else {
            words.extend(piece.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Whether it is more than a placeholder.
fn is_setting(word: &str) -> bool {
    let key = word.split_once('=').map_or("", |(key, _)| key);
    key.contains('.') && !key.starts_with("section.")
}
