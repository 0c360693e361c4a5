//! The inputs that fuzzing has kept, through everything that reads bytes from outside.

use std::fs;
use std::panic::catch_unwind;
use std::time::{Duration, Instant};

use troop_tests::checkout;

#[path = "../../fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "what its own crate shows")]
mod harness;

/// As the fuzzer has it.
const LIMIT: Duration = Duration::from_secs(5);

#[test]
fn no_kept_input_panics_or_takes_long() {
    for (name, target) in harness::TARGETS {
        let directory = checkout().join("fuzz/corpus").join(name);
        let inputs = fs::read_dir(&directory).expect("each target has a corpus");
        let mut count = 0;
        for input in inputs {
            let path = input.expect("it can be listed").path();
            let bytes = fs::read(&path).expect("it can be read");
            let began = Instant::now();
            let outcome = catch_unwind(|| target(&bytes));
            assert!(outcome.is_ok(), "{name} panics: {}", path.display());
            assert!(began.elapsed() < LIMIT, "{name} hangs: {}", path.display());
            count += 1;
        }
        assert!(count > 0, "{} is empty", directory.display());
    }
}
