//! Memory that this process may still take.

use sysinfo::{CGroupLimits, MemoryRefreshKind, RefreshKind, System};

/// What the machine, and the container around this process, have available, in bytes. Cached files
/// count as available in both.
pub fn available_bytes() -> u64 {
    let memory = MemoryRefreshKind::nothing().with_ram();
    let system = System::new_with_specifics(RefreshKind::nothing().with_memory(memory));
    under_limit(system.available_memory(), system.cgroup_limits().as_ref())
}

/// What may still be taken of the machine's memory under a container's limit.
fn under_limit(machine: u64, container: Option<&CGroupLimits>) -> u64 {
    let container = container.map(|limits| limits.total_memory.saturating_sub(limits.rss));
    machine.min(container.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_limit_counts_where_it_is_lower() {
        let limits = |total_memory, rss| CGroupLimits {
            total_memory,
            free_memory: 0,
            free_swap: 0,
            rss,
        };
        assert_eq!(under_limit(100, None), 100);
        assert_eq!(under_limit(100, Some(&limits(80, 30))), 50);
        assert_eq!(under_limit(100, Some(&limits(800, 30))), 100);
    }

    #[test]
    fn this_machine_has_some() {
        assert!(available_bytes() > 0);
    }
}
