//! CPU time and memory of a process, as Linux tells them.

use std::fs;

use anyhow::Context;

/// CPU time that a process has used in user and kernel mode, in seconds.
///
/// # Errors
/// If there is no such process.
pub(super) fn cpu_seconds(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = cpu_ticks(&text).with_context(|| format!("{path} has no CPU time: {text}"))?;
    Ok(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// The most memory that a process has had at once, in bytes.
///
/// # Errors
/// If there is no such process.
pub(super) fn peak_memory_bytes(process: u32) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    peak_kilobytes(&text)
        .map(|kilobytes| kilobytes * 1024)
        .with_context(|| format!("{path} has no line `VmHWM: … kB`"))
}

/// `utime` and `stime` of proc(5)'s `stat`, together.
fn cpu_ticks(stat: &str) -> Option<u64> {
    // The name before it stands in parentheses and may have any letter, also these.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut field = || fields.next()?.parse::<u64>().ok();
    Some(field()? + field()?)
}

fn peak_kilobytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_cpu_times_are_added_whatever_the_name_is() {
        let stat = "42 (a (b) 1 2) S 1 42 42 0 -1 4194304 500 0 3 0 1700 300 9 9 20 0 4 0 1 2 3";
        assert_eq!(cpu_ticks(stat), Some(2_000));
        assert_eq!(cpu_ticks("42 (a) S 1 42"), None);
    }

    #[test]
    fn the_peak_is_read_in_kilobytes() {
        let status = "Name:\ta\nVmPeak:\t  900 kB\nVmHWM:\t  123456 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(peak_kilobytes(status), Some(123_456));
        assert_eq!(peak_kilobytes("Name:\ta\n"), None);
    }

    #[test]
    fn this_process_can_be_looked_up() {
        let me = std::process::id();
        assert!(cpu_seconds(me).unwrap() >= 0.0);
        assert!(peak_memory_bytes(me).unwrap() > 1 << 20);
    }
}
