/// Cores that this process may use; 1 if the system does not say.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Workers of a process that was asked for `chosen`; 0 is one a core.
pub fn worker_count(chosen: usize) -> usize {
    match chosen {
        0 => cores(),
        chosen => chosen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_chosen_is_one_a_core() {
        assert_eq!(worker_count(0), cores());
        assert_eq!(worker_count(3), 3);
        assert!(cores() >= 1);
    }
}
