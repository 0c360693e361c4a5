/// The allocator of every program: frames and messages come and go by the megabyte, and the system's allocator would
/// give their pages back and fault them in again each time.
pub type Allocator = mimalloc::MiMalloc;

/// Makes [`Allocator`] the allocator of a program: one line of its `main.rs`. If this library did so itself, it would
/// choose for every test and fuzzer that links it, too.
#[macro_export]
macro_rules! use_allocator {
    () => {
        #[global_allocator]
        static ALLOCATOR: $crate::process::Allocator = $crate::process::Allocator {};
    };
}
