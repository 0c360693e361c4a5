use std::collections::{BTreeMap, BTreeSet};

/// What `/metrics` shows, in Prometheus' text format.
#[derive(Debug, Default)]
pub struct Exposition {
    /// Each metric's type by its name.
    pub types: BTreeMap<String, String>,
    /// Values by name with labels, as they stand there.
    samples: BTreeMap<String, f64>,
}

impl Exposition {
    /// Reads the text.
    ///
    /// # Panics
    /// Where a line is neither a comment nor a sample.
    pub fn parse(text: &str) -> Self {
        let mut exposition = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(declaration) = line.strip_prefix("# TYPE ") {
                let (name, kind) = declaration.split_once(' ').expect("a name and a type");
                exposition.types.insert(name.into(), kind.into());
            } else if !line.starts_with('#') {
                let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                let value = value.parse().expect("a number");
                exposition.samples.insert(name.into(), value);
            }
        }
        exposition
    }

    /// A sample's value, by its name with its labels.
    ///
    /// # Panics
    /// Where there is no such sample.
    #[track_caller]
    pub fn value(&self, name: &str) -> f64 {
        let value = self.samples.get(name).copied();
        value.unwrap_or_else(|| panic!("no sample `{name}` among {:#?}", self.samples.keys()))
    }

    /// Every value of a label, whatever the metric.
    pub fn label_values(&self, label: &str) -> BTreeSet<String> {
        let start = format!("{label}=\"");
        let value = |sample: &String| {
            let (_, rest) = sample.split_once(&start)?;
            let (value, _) = rest.split_once('"')?;
            Some(value.to_owned())
        };
        self.samples.keys().filter_map(value).collect()
    }

    /// The names of a metric's own labels.
    pub fn labels(&self, metric: &str) -> BTreeSet<String> {
        let of_metric = |sample: &&String| {
            let rest = sample.strip_prefix(metric);
            rest.is_some_and(|rest| rest.starts_with('{'))
        };
        let inside = |sample: &String| {
            let labels = sample[metric.len()..].trim_matches(['{', '}']).to_owned();
            let names = labels
                .split("\",")
                .filter_map(|label| label.split_once('='));
            names.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
        };
        self.samples
            .keys()
            .filter(of_metric)
            .flat_map(inside)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_values_and_labels_are_read() {
        let text = "# HELP a Help, with = and {}.\n# TYPE a gauge\na{x=\"1\",y=\"b, c\"} 2.5\n\
                    # TYPE b histogram\nb_bucket{le=\"+Inf\"} 3\nb_sum 4\nb_count 3\n";
        let exposition = Exposition::parse(text);
        assert_eq!(exposition.types["b"], "histogram");
        assert_eq!(exposition.value("a{x=\"1\",y=\"b, c\"}"), 2.5);
        assert_eq!(exposition.value("b_count"), 3.0);
        let labels: Vec<String> = exposition.labels("a").into_iter().collect();
        assert_eq!(labels, ["x", "y"]);
        assert!(exposition.labels("b").is_empty());
        let values: Vec<String> = exposition.label_values("y").into_iter().collect();
        assert_eq!(values, ["b, c"]);
    }
}
