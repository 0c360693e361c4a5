use std::sync::Arc;
use std::time::Instant;

use crate::replay::Replay;

/// Somebody waits for the other side, until this is dropped: the replay counts it.
pub(super) struct Waiting {
    replay: Arc<Replay>,
    append: bool,
    began: Instant,
}

impl Waiting {
    /// A writer waits if `append`, else one who draws.
    pub(super) fn begin(replay: &Arc<Replay>, append: bool) -> Self {
        replay.begin_wait(append);
        Self {
            replay: Arc::clone(replay),
            append,
            began: Instant::now(),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.replay.end_wait(self.append, self.began.elapsed());
    }
}
