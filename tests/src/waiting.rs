use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Only what hangs takes longer, on a busy machine too.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Time between two looks at something that can only be polled.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer; `what` says what is waited for.
///
/// # Panics
/// Where there is none within [`LIMIT`].
pub fn poll_until<T>(what: &str, mut answer: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(answer) = answer() {
            return answer;
        }
        let seconds = LIMIT.as_secs();
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Held by tests of one binary that would starve each other on a small machine.
pub fn serial() -> MutexGuard<'static, ()> {
    static SERIAL: Mutex<()> = Mutex::new(());
    // A test that failed while it held the guard says nothing about the next one.
    SERIAL.lock().unwrap_or_else(PoisonError::into_inner)
}
