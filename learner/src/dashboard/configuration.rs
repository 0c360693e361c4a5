/// An experiment's TOML without its `[security]`: where secrets lie is nobody else's business.
pub(super) fn without_security(toml: &str) -> String {
    let mut inside = false;
    let outside = toml.split_inclusive('\n').filter(|line| {
        if line.starts_with('[') {
            inside = line.trim_end() == "[security]";
        }
        !inside
    });
    outside.collect::<String>().trim_end().to_owned() + "\n"
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
        let shown = without_security(&text);
        assert!(text.contains("/secret/place") && !shown.contains("secret"));
        let shown = Experiment::from_toml(&shown).unwrap();
        assert_eq!(shown, experiment.for_actors());
    }
}
