use tokio::runtime::{Handle, RuntimeFlavor};

/// Work on fewer elements than this, some ten milliseconds, may hold up one of the runtime's threads.
/// Handing the thread's other tasks over costs two switches, a fifth of a gradient's time if it
/// has a million elements.
const LARGE_ELEMENTS: usize = 16 << 20;

/// Does work on `elements` numbers; if they are many, the runtime's other tasks move to other
/// threads meanwhile.
pub(crate) fn run<T>(elements: usize, work: impl FnOnce() -> T) -> T {
    let many_threads = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if elements > LARGE_ELEMENTS && many_threads {
        tokio::task::block_in_place(work)
    } else {
        work()
    }
}
