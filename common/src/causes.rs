//! Errors as people read them.

use std::error::Error;

/// An error with its causes, each said once: many errors say their cause themselves.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Example {
        #[error("cannot read it: {source}")]
        Says { source: std::io::Error },
        #[error("cannot start")]
        Hides { source: Box<Example> },
    }

    #[test]
    fn every_cause_is_said_once() {
        let source = std::io::Error::other("disk on fire");
        let says = Example::Says { source };
        assert_eq!(with_causes(&says), "cannot read it: disk on fire");
        let hides = Example::Hides {
            source: Box::new(says),
        };
        let text = with_causes(&hides);
        assert_eq!(text, "cannot start: cannot read it: disk on fire");
    }
}
