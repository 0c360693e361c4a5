use std::time::Duration;

use tokio::time::timeout;
use troop_learner::ParameterServer;

/// Completes once everybody has heard how the run ended, or has had `learner.linger_s` to call. If the run `was_over` when this
/// life began nobody is known, and may be looking for it all the same.
pub(crate) async fn linger(server: &ParameterServer, was_over: bool) {
    let seconds = server.experiment().learner.linger_s;
    if seconds == 0 || !was_over && server.unheard() == 0 {
        return;
    }
    tracing::info!(
        unheard = server.unheard(),
        seconds,
        "whoever looks for this run hears that it is over"
    );
    let all_have_heard = async {
        match was_over {
            true => std::future::pending().await,
            false => server.all_have_heard().await,
        }
    };
    let in_time = timeout(Duration::from_secs(seconds), all_have_heard).await;
    if in_time.is_err() && !was_over {
        let unheard = server.unheard();
        tracing::warn!(
            unheard,
            seconds,
            "somebody has not heard that the run is over"
        );
    }
}
