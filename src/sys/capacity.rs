//! The capacity of the system: its limits on memory, threads and descriptors.

use std::fs;

use super::cgroup;

/// The bytes of memory that this machine has, or that its control group (cgroup) allows, if these are
/// fewer. Returns `None` where the system does not say it in a file.
pub fn memory() -> Option<usize> {
    let machine = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_memory(&text));
    [machine, cgroup::limit(&cgroup::MEMORY)].into_iter().flatten().min()
}

/// Reads the memory of the machine, in bytes, from the text of `/proc/meminfo`.
fn total_memory(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_machine_is_the_first_line_of_meminfo() {
        let text = "MemTotal:       24683904 kB\nMemFree:        11818508 kB\n";
        assert_eq!(total_memory(text), Some(24_683_904 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
        assert_eq!(total_memory("MemTotal: many kB\n"), None);
        assert_eq!(total_memory("MemTotal: 18446744073709551615 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_how_much_memory_it_has() {
        assert!(memory().is_some_and(|bytes| bytes > 16 * 1024 * 1024), "{:?}", memory());
    }
}
