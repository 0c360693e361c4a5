use serde::Serialize;

use super::simulation::Cluster;

/// What formulas say of the same cluster: they know nothing of how its parts wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct ClosedForm {
    /// Workers as fast as they can, or the busiest part all of the time: Little's law, and the bound of asymptotes.
    pub(super) gradients_per_second: f64,
    pub(super) link_in_busy_share: f64,
    pub(super) applying_busy_share: f64,
    pub(super) link_out_busy_share: f64,
    /// In front of the busier of link and applying, if slices came at random times (M/D/1); if that is busy all of the time,
    /// what workers have in flight lies there.
    pub(super) wait_mean_seconds: f64,
    /// Each of W workers has f gradients under way, and so all others apply f meanwhile: f·W − 1 if weights come with each answer.
    pub(super) staleness_mean_updates: f64,
}

impl ClosedForm {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let workers = cluster.workers as f64;
        let in_flight = cluster.in_flight as f64;
        let (receive, apply) = (cluster.receive_seconds, cluster.apply_seconds);
        let computing = cluster.compute_seconds;
        let unhindered =
            computing.max((computing + receive + apply + cluster.send_seconds) / in_flight);
        // Weights that come too seldom to be in the way of gradients are left out with fewer messages.
        let weights = (unhindered / cluster.weights_period_seconds).min(1.0);
        let send = cluster.send_seconds * weights;
        let wanted = workers / unhindered;
        let most = receive.max(apply).max(send).recip();
        let rate = wanted.min(most);
        let slower = receive.max(apply);
        let busy = rate * slower;
        let wait = match wanted < most {
            true => busy * slower / (2.0 * (1.0 - busy)),
            false => (in_flight * workers / rate - computing - receive - apply - send).max(0.0),
        };
        let pause = (cluster.weights_period_seconds - unhindered).max(0.0);
        Self {
            gradients_per_second: rate,
            link_in_busy_share: rate * receive,
            applying_busy_share: rate * apply,
            link_out_busy_share: rate * send,
            wait_mean_seconds: wait,
            staleness_mean_updates: in_flight * workers - 1.0 + rate * pause / 2.0,
        }
    }
}
