//! Tables in Markdown.

/// A row of a table in Markdown.
pub fn markdown_row(cells: &[&str]) -> String {
    let cell = |text: &&str| match text.is_empty() {
        true => " |".to_owned(),
        false => format!(" {text} |"),
    };
    let cells: String = cells.iter().map(cell).collect();
    format!("|{cells}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells_are_narrow() {
        assert_eq!(markdown_row(&["a", "", "b"]), "| a | | b |\n");
    }
}
