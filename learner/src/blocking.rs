use tokio::runtime::{Handle, RuntimeFlavor};

/// Work on fewer elements than this takes less time than handing it over would.
const LARGE_ELEMENTS: usize = 100_000;

/// Does work on `elements` numbers; where they are many, the runtime's other tasks move to other
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
