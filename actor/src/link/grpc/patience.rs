use std::pin::pin;
use std::time::Duration;

use super::session_end::SessionEnd;

/// A call that is not answered after this time is tried again.
pub(super) const CALL_LIMIT: Duration = Duration::from_secs(10);

/// The first sessions of a run wait for the learner to draw the first parameters. It refuses what
/// would take it longer than this; where it is gone, keep-alive says so sooner.
pub(super) const OPEN_LIMIT: Duration = Duration::from_secs(300);

/// A worker that waits for its stream for longer than this says what it waits for.
const LONG_OPEN: Duration = Duration::from_secs(5);

/// Waits for the learner to open the stream.
pub(super) async fn saying_why_it_lasts<T>(elements: usize, opening: impl Future<Output = T>) -> T {
    let mut opening = pin!(opening);
    match tokio::time::timeout(LONG_OPEN, &mut opening).await {
        Ok(opened) => opened,
        Err(_) => {
            let limit_s = OPEN_LIMIT.as_secs();
            tracing::info!(elements, limit_s, "the learner draws the first parameters");
            opening.await
        }
    }
}

/// What a call gives, if it is answered within `limit`.
///
/// # Errors
/// How the session ends else.
pub(super) async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, impl Into<SessionEnd>>>,
) -> Result<T, SessionEnd> {
    match tokio::time::timeout(limit, call).await {
        Ok(result) => result.map_err(Into::into),
        Err(_) => Err(SessionEnd::Lost(format!(
            "the learner did not answer within {} s",
            limit.as_secs()
        ))),
    }
}
