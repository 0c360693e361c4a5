//! What a process holds of its machine, as Linux says.

use std::fs;

/// Memory of a process, in bytes.
pub(crate) fn memory_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kilobytes: u64 = kilobytes.expect("its memory").parse().expect("a number");
    kilobytes << 10
}

/// Open files, sockets among them.
pub(crate) fn open_files(process: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{process}/fd"));
    files.expect("it runs").count()
}

/// Lets this process open as many files as the system allows: it is both sides of a flood.
pub(crate) fn raise_own_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).expect("the soft limit can be raised");
}
