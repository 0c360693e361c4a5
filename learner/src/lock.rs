use std::sync::{Mutex, MutexGuard, PoisonError};

/// What this crate keeps behind locks are plain numbers and tables: they stay usable if a
/// thread that held one panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
