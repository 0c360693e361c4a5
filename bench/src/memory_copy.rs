use std::hint::black_box;
use std::time::{Duration, Instant};

use serde::Serialize;

/// Each size is copied for at least this long.
const LIMIT: Duration = Duration::from_millis(200);

/// A block that no cache holds, in bytes.
const LARGE: usize = 64 << 20;

/// How fast one thread copies memory; each byte counts once, though it is read and written.
#[derive(Debug, Serialize)]
pub(super) struct MemoryCopy {
    of_one_message_gigabytes_per_second: f64,
    of_64_mebibytes_gigabytes_per_second: f64,
}

impl MemoryCopy {
    /// Copies blocks of a message's size, and large ones.
    pub(super) fn measure(message_bytes: usize) -> Self {
        Self {
            of_one_message_gigabytes_per_second: copy(message_bytes),
            of_64_mebibytes_gigabytes_per_second: copy(LARGE),
        }
    }
}

/// GB/s of copies between two buffers of this many bytes.
fn copy(bytes: usize) -> f64 {
    let source = black_box(vec![1_u8; bytes]);
    let mut target = vec![0_u8; bytes];
    // The first copy only touches the pages.
    target.copy_from_slice(&source);
    let started = Instant::now();
    let mut copies = 0_u64;
    while started.elapsed() < LIMIT {
        target.copy_from_slice(black_box(&source));
        black_box(&mut target);
        copies += 1;
    }
    copies as f64 * bytes as f64 / started.elapsed().as_secs_f64() / 1e9
}
