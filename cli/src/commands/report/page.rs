//! A page and its pictures.

use std::fs;
use std::path::Path;

use anyhow::Context;

use super::chart::Chart;

/// A Markdown page. Pictures lie in a folder beside it that has its name.
#[derive(Default)]
pub(super) struct Page {
    blocks: Vec<Block>,
}

enum Block {
    Text(String),
    Picture {
        file: String,
        caption: String,
        chart: Chart,
    },
}

impl Page {
    /// Adds a paragraph, a heading or a table.
    pub(super) fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }

    /// Adds a picture; `name` becomes its file's, `caption` says in words what it shows.
    pub(super) fn picture(&mut self, name: &str, caption: impl Into<String>, chart: Chart) {
        let plain = |letter: char| match letter {
            letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
            _ => '-',
        };
        let file: String = name.chars().map(plain).collect();
        self.blocks.push(Block::Picture {
            file: format!("{file}.svg"),
            caption: caption.into(),
            chart,
        });
    }

    /// The page alone; pictures are their captions.
    pub(super) fn to_markdown(&self) -> String {
        self.markdown(|_, caption| format!("*{caption}*"))
    }

    /// Writes the page to `path`, and its pictures.
    ///
    /// # Errors
    /// If a file cannot be written, or a picture cannot be drawn.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let folder = path.with_extension("");
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let pictures = self.blocks.iter().filter_map(|part| match part {
            Block::Picture { file, chart, .. } => Some((file, chart)),
            Block::Text(_) => None,
        });
        for (file, chart) in pictures {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            write(&folder.join(file), &chart.svg()?)?;
        }
        let text = self.markdown(|file, caption| format!("![{caption}]({name}/{file})"));
        write(path, &text)
    }

    fn markdown(&self, picture: impl Fn(&str, &str) -> String) -> String {
        let parts = self.blocks.iter().map(|part| match part {
            Block::Text(text) => text.clone(),
            Block::Picture { file, caption, .. } => picture(file, caption),
        });
        let parts: Vec<String> = parts.collect();
        parts.join("\n\n") + "\n"
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| path.display().to_string())
}

/// A table; the first `texts` columns are text, the others numbers.
pub(super) fn table<const N: usize>(
    heads: [&str; N],
    texts: usize,
    rows: &[[String; N]],
) -> String {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let rule: String = (0..N)
        .map(|column| if column < texts { "---|" } else { "---:|" })
        .collect();
    let mut lines = vec![line(&heads.map(str::to_owned)), format!("|{rule}")];
    lines.extend(rows.iter().map(|row| line(row)));
    lines.join("\n")
}
