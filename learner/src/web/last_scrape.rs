//! Lets Prometheus read how a run ended.

use std::time::Duration;

use crate::parameter_server::ParameterServer;

/// One scrape may time out at Prometheus' side, which cannot be seen from here.
const SCRAPES: u64 = 2;

/// Waits until the metrics have been read twice more, as long as `telemetry.last_scrape_s` says.
///
/// A learner ends with its run. Without this Prometheus would see a target that is gone, and could
/// not tell a finished run from a learner that was lost.
pub async fn last_scrape(server: &ParameterServer) {
    let seconds = server.experiment().telemetry.last_scrape_s;
    let mut reads = server.metrics().reads.subscribe();
    let enough = *reads.borrow() + SCRAPES;
    tracing::debug!(
        seconds,
        "waiting until the metrics are read {SCRAPES} times more"
    );
    // The sender lives as long as the server. If nobody reads them the time is over some day.
    let read = reads.wait_for(|reads| *reads >= enough);
    let _ = tokio::time::timeout(Duration::from_secs(seconds), read).await;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;
    use troop_common::experiment::Experiment;

    use super::*;
    use crate::metrics::Metrics;

    fn server(seconds: u64) -> Arc<ParameterServer> {
        let mut experiment = Experiment::default();
        experiment.telemetry.last_scrape_s = seconds;
        Arc::new(ParameterServer::new(experiment, Metrics::new().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_with_the_second_reading() {
        let server = server(30);
        server.refresh_metrics();
        let began = Instant::now();
        let reader = async {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(7)).await;
                server.refresh_metrics();
            }
        };
        tokio::select! {
            () = last_scrape(&server) => {}
            () = reader => unreachable!("the third reading comes too late"),
        }
        assert_eq!(began.elapsed().as_secs(), 14);
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_without_a_reader_too() {
        for seconds in [0, 30] {
            let began = Instant::now();
            last_scrape(&server(seconds)).await;
            assert_eq!(began.elapsed().as_secs(), seconds);
        }
    }
}
