use troop_common::proto::v1::Verdict;

/// Tells of rejected gradients: for each reason of the first, second, fourth, eighth and so on.
/// Where every gradient is rejected, a line for each would bury what else is in the log.
#[derive(Debug, Default)]
pub struct Rejections {
    counts: [u64; Self::VERDICTS],
}

impl Rejections {
    const VERDICTS: usize = Verdict::Late as usize + 1;

    /// Notes what became of a gradient, and logs it where that is due. One that was computed right
    /// but came too late is nothing to worry about.
    pub fn note(&mut self, verdict: Verdict, detail: &str) {
        if matches!(verdict, Verdict::Applied | Verdict::Counted) {
            return;
        }
        let Some(times) = self.count(verdict) else {
            return;
        };
        let reason = verdict.as_str_name();
        match verdict {
            Verdict::Stale | Verdict::Late | Verdict::Closed | Verdict::WrongEpoch => {
                tracing::debug!(reason, detail, times, "gradient rejected");
            }
            _ => tracing::warn!(reason, detail, times, "gradient rejected"),
        }
    }

    /// How many there have been for this reason, where that is worth a line.
    fn count(&mut self, verdict: Verdict) -> Option<u64> {
        let count = &mut self.counts[verdict as usize];
        *count += 1;
        count.is_power_of_two().then_some(*count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_rare_and_reasons_do_not_hide_each_other() {
        let mut rejections = Rejections::default();
        let told: Vec<u64> = (0..1_000)
            .filter_map(|_| rejections.count(Verdict::NonFinite))
            .collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(rejections.count(Verdict::Late), Some(1));
    }
}
