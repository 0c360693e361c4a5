use std::time::Duration;

/// A link that is dropped waits this long for its last gradients to be answered.
pub(super) const LEAVE_LIMIT: Duration = Duration::from_secs(2);
