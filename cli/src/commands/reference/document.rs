use anyhow::Context;

/// Begins a table; its name follows.
const BEGIN: &str = "<!-- table: ";

/// Ends a name.
const NAMED: &str = " -->\n";

/// Ends a table.
const END: &str = "<!-- end of table -->\n";

/// A document with what `table` says between the comments that name each of its tables. What stands outside them
/// stays.
///
/// # Errors
/// If a table has no end, or a name that `table` does not know.
pub(super) fn fill(text: &str, table: impl Fn(&str) -> Option<String>) -> anyhow::Result<String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(NAMED).context("a table has no name")?;
        let ended = || format!("table `{name}` has no `{}`", END.trim_end());
        let (_, after) = after.split_once(END).with_context(ended)?;
        let table = table(name).with_context(|| format!("there is no table `{name}`"))?;
        filled += &format!("{before}{BEGIN}{name}{NAMED}\n{table}\n{END}");
        rest = after;
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Option<String> {
        (name != "nothing").then(|| format!("| {name} |\n"))
    }

    #[test]
    fn tables_are_replaced_and_the_rest_stays() {
        let text = "a\n<!-- table: x y -->\nold\n<!-- end of table -->\nb\n";
        let expected = "a\n<!-- table: x y -->\n\n| x y |\n\n<!-- end of table -->\nb\n";
        assert_eq!(fill(text, named).unwrap(), expected);
        assert_eq!(fill(expected, named).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_filled_is_named() {
        let error = |text| fill(text, named).unwrap_err().to_string();
        assert!(error("<!-- table: x -->\n").contains("`x` has no `<!-- end"));
        let unknown = "<!-- table: nothing -->\n<!-- end of table -->\n";
        assert!(error(unknown).contains("no table `nothing`"));
    }
}
