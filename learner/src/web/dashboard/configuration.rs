use std::io;

/// An experiment's TOML without its `[security]`, however that is written: where secrets lie is
/// nobody else's business.
///
/// # Errors
/// If it is not TOML.
pub(super) fn without_security(toml: &str) -> io::Result<String> {
    let mut table: toml::Table = toml.parse().map_err(io::Error::other)?;
    table.remove("security");
    toml::to_string(&table).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use troop_common::experiment::Experiment;

    use super::*;

    #[test]
    fn only_security_is_left_out() {
        let mut experiment = Experiment::default();
        experiment.security.token_file = Some("/secret/place".into());
        let text = experiment.to_toml().unwrap();
        let shown = without_security(&text).unwrap();
        assert!(text.contains("/secret/place") && !shown.contains("secret"));
        let shown = Experiment::from_toml(&shown).unwrap();
        assert_eq!(shown, experiment.for_actors());
    }

    #[test]
    fn security_is_left_out_however_somebody_has_written_it() {
        for text in [
            "security.token_file = \"/secret\"\n[wire]\n",
            "security = { token_file = \"/secret\" }\n[wire]\n",
            "[ security ] # who may connect\ntoken_file = \"/secret\"\n[wire]\n",
            "[\"security\"]\ntoken_file = \"/secret\"\n[wire]\n",
        ] {
            assert_eq!(without_security(text).unwrap(), "[wire]\n", "{text}");
        }
        assert!(without_security("[security\n").is_err());
    }
}
