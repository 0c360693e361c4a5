use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::waiting::Waiting;
use crate::replay::Replay;

/// Those who wait on one side of a replay, in the order in which they came: only the first looks whether it may go on. Else whoever
/// asks again and again could be the fastest each time.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<()>);

impl Turns {
    /// The next turn, and the wait for it, if there was one; whether it is one to `append`.
    pub(super) async fn next(
        &self,
        replay: &Arc<Replay>,
        append: bool,
    ) -> (MutexGuard<'_, ()>, Option<Waiting>) {
        match self.0.try_lock() {
            Ok(turn) => (turn, None),
            Err(_) => {
                let waiting = Waiting::begin(replay, append);
                (self.0.lock().await, Some(waiting))
            }
        }
    }
}
