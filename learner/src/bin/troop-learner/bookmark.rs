use std::fmt;
use std::str::FromStr;

/// Where people find something beside this learner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bookmark {
    name: String,
    url: String,
}

impl Bookmark {
    /// Whether it stands in for the address of this learner's own page, e.g. behind a proxy.
    pub(crate) fn is_page(&self) -> bool {
        self.name == "page"
    }
}

impl FromStr for Bookmark {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((name, url)) if !name.is_empty() && !url.is_empty() => Ok(Self {
                name: name.into(),
                url: url.into(),
            }),
            _ => Err("expected NAME=URL, e.g. Grafana=http://localhost:3000"),
        }
    }
}

impl fmt::Display for Bookmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", self.name, self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_elsewhere() {
        let check = |text: &str| {
            text.parse()
                .is_ok_and(|bookmark: Bookmark| bookmark.is_page())
        };
        assert!(check("page=https://troop.example/"));
        assert!(!check("Grafana=https://troop.example/page"));
    }

    #[test]
    fn a_name_and_an_address() {
        let check = |text: &str| {
            text.parse()
                .map(|bookmark: Bookmark| bookmark.to_string())
                .ok()
        };
        let grafana = Some("Grafana  http://localhost:3000/?a=b".to_owned());
        assert_eq!(check("Grafana=http://localhost:3000/?a=b"), grafana);
        for text in ["", "Grafana", "=http://localhost:3000", "Grafana="] {
            assert_eq!(check(text), None, "{text}");
        }
    }
}
