//! What others report for the same tasks.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Published scores and speed-ups with their sources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Published {
    source: BTreeMap<String, Source>,
    score: Vec<Score>,
    speed_up: SpeedUps,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    title: String,
    url: String,
}

/// A mean return that somebody reports.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Score {
    /// The environment's id, or its name without namespace and version if that is close enough.
    environment: String,
    pub(super) method: String,
    pub(super) score: f64,
    pub(super) env_steps: Option<u64>,
    source: String,
}

#[derive(Deserialize)]
struct SpeedUps {
    source: String,
    workers: Vec<usize>,
    #[serde(flatten)]
    methods: BTreeMap<String, Vec<f64>>,
}

impl Published {
    pub(super) fn read() -> anyhow::Result<Self> {
        Ok(toml::from_str(include_str!("published.toml"))?)
    }

    /// Those of an environment. Versions of MuJoCo's and Atari's environments are not told apart:
    /// most have no score for the newest.
    pub(super) fn scores(&self, environment: &str) -> impl Iterator<Item = &Score> {
        let name = plain_name(environment).to_owned();
        let environment = environment.to_owned();
        self.score
            .iter()
            .filter(move |score| score.environment == environment || score.environment == name)
    }

    /// Where a score comes from, as a link.
    pub(super) fn source(&self, score: &Score) -> String {
        self.link(&score.source)
    }

    /// Where the speed-ups come from, as a link.
    pub(super) fn speed_up_source(&self) -> String {
        self.link(&self.speed_up.source)
    }

    /// A method's speed-ups by number of workers; none for a method that has no published ones.
    pub(super) fn speed_ups(&self, method: &str) -> Vec<(usize, f64)> {
        let values = self.speed_up.methods.get(method).into_iter().flatten();
        let workers = self.speed_up.workers.iter();
        workers.copied().zip(values.copied()).collect()
    }

    fn link(&self, source: &str) -> String {
        match self.source.get(source) {
            Some(Source { title, url }) => format!("[{title}]({url})"),
            None => source.to_owned(),
        }
    }
}

/// `Pong` of `ALE/Pong-v5`.
fn plain_name(environment: &str) -> &str {
    let name = environment.strip_prefix("ALE/").unwrap_or(environment);
    name.rsplit_once("-v").map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_has_its_source_and_is_found() {
        let published = Published::read().unwrap();
        for score in &published.score {
            assert!(
                published.source(score).contains("](https://"),
                "{}",
                score.source
            );
        }
        let count = |environment| published.scores(environment).count();
        assert_eq!(count("CartPole-v1"), 6);
        assert_eq!((count("HalfCheetah-v5"), count("ALE/Pong-v5")), (3, 4));
        assert_eq!(count("CartPole-v0"), 0, "another task");
        assert_eq!(count("MinAtar/Breakout-v1"), 0, "another Breakout");
    }

    #[test]
    fn speed_ups_are_those_of_the_papers_table() {
        let published = Published::read().unwrap();
        assert!(published.speed_up_source().contains("Mnih"));
        assert_eq!(published.speed_ups("a3c").last(), Some(&(16, 12.5)));
        assert_eq!(published.speed_ups("one_step_q")[1], (2, 3.0));
        assert!(published.speed_ups("dqn").is_empty());
        let lengths = published.speed_up.methods.values().map(Vec::len);
        assert!(lengths.into_iter().all(|length| length == 5));
    }
}
