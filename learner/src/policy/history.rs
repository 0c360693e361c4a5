//! The last publishes, to know what a gradient was computed on.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::answers::{Refusal, Verdict};

/// Keeps the last publishes by version.
#[derive(Debug)]
pub(crate) struct PublishHistory {
    limit: usize,
    publishes: VecDeque<(u64, Arc<Vec<f32>>)>,
}

impl PublishHistory {
    /// Keeps `limit` publishes; with 0 none.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            publishes: VecDeque::new(),
        }
    }

    /// Keeps one more publish, newer than all before it.
    pub(crate) fn push(&mut self, version: u64, parameters: &Arc<Vec<f32>>) {
        if self.limit == 0 {
            return;
        }
        if self.publishes.len() == self.limit {
            self.publishes.pop_front();
        }
        self.publishes.push_back((version, Arc::clone(parameters)));
    }

    /// The publish of `version`.
    pub(crate) fn get(&self, version: u64) -> Result<Arc<Vec<f32>>, Refusal> {
        self.publishes
            .binary_search_by_key(&version, |(published, _)| *published)
            .ok()
            .and_then(|index| self.publishes.get(index))
            .map(|(_, parameters)| Arc::clone(parameters))
            .ok_or_else(|| {
                let detail = format!(
                    "computed on version {version}, which is not one of the last {} publishes; \
                     `learner.compensation_history` says how many are kept",
                    self.limit
                );
                Refusal::new(Verdict::Stale, detail)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_publishes_are_found_by_version_and_others_are_stale() {
        let mut history = PublishHistory::new(2);
        for version in [3, 5, 9] {
            history.push(version, &Arc::new(vec![version as f32]));
        }
        assert_eq!(*history.get(5).unwrap(), [5.0]);
        assert_eq!(*history.get(9).unwrap(), [9.0]);
        for gone in [3, 4, 10] {
            let refusal = history.get(gone).unwrap_err();
            assert_eq!(refusal.verdict, Verdict::Stale);
            assert!(refusal.detail.contains("last 2 publishes"), "{refusal:?}");
        }
    }

    #[test]
    fn other_policies_keep_no_publish() {
        let mut history = PublishHistory::new(0);
        let parameters = Arc::new(vec![1.0]);
        history.push(1, &parameters);
        assert_eq!(Arc::strong_count(&parameters), 1);
    }
}
