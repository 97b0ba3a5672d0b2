//! The capacity of the system: its limits on memory, threads and descriptors.

use std::{env, fs, thread};

use super::cgroup;

/// The limits that the system sets for this process. Each is `None` where the system does not set it, or
/// where a program cannot ask for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capacity {
    /// Memory maps of a process (Linux: `vm.max_map_count`).
    pub memory_maps: Option<usize>,
    /// Threads of the whole system (Linux: the smaller of `kernel.threads-max` and `kernel.pid_max`).
    pub system_threads: Option<usize>,
    /// Threads and processes of this user (`RLIMIT_NPROC`). The superuser does not have this limit.
    pub user_threads: Option<usize>,
    /// Threads and processes in this control group (Linux: `pids.max`).
    pub group_threads: Option<usize>,
    /// Bytes of address space that this process may use (`RLIMIT_AS`).
    pub address_space: Option<usize>,
    /// Bytes of address space that the memory allocator may reserve.
    pub allocator_space: usize,
    /// Descriptors that this process may have open (`RLIMIT_NOFILE`).
    pub descriptors: Option<usize>,
    /// Bytes of [`memory`].
    pub memory: Option<usize>,
}

impl Capacity {
    /// Asks the system. When it allows fewer than `descriptors` open descriptors but lets a process raise
    /// that limit, this raises it: many systems begin with 1,024, for programs that cannot handle more.
    pub fn read(descriptors: usize) -> Capacity {
        let number = |file: &str| fs::read_to_string(file).ok()?.trim().parse().ok();
        let threads: [Option<usize>; 2] =
            [number("/proc/sys/kernel/threads-max"), number("/proc/sys/kernel/pid_max")];
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Capacity {
            memory_maps: number("/proc/sys/vm/max_map_count"),
            system_threads: threads.into_iter().flatten().min(),
            group_threads: cgroup::limit(&cgroup::TASKS),
            allocator_space: allocator_space(cores, env::var("MALLOC_ARENA_MAX").ok().as_deref()),
            memory: memory(),
            user_threads: resources::user_threads(),
            address_space: resources::address_space(),
            descriptors: resources::raise_descriptors(descriptors),
        }
    }
}

/// The limits that POSIX calls resources.
#[cfg(unix)]
mod resources {
    use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

    fn current(resource: Resource) -> Option<usize> {
        getrlimit(resource).current.map(saturate)
    }

    fn saturate(limit: u64) -> usize {
        usize::try_from(limit).unwrap_or(usize::MAX)
    }

    pub(super) fn user_threads() -> Option<usize> {
        if geteuid().is_root() { None } else { current(Resource::Nproc) }
    }

    pub(super) fn address_space() -> Option<usize> {
        current(Resource::As)
    }

    /// Raises the limit of this process to `wanted`, or as far as the system lets it, and returns it.
    pub(super) fn raise_descriptors(wanted: usize) -> Option<usize> {
        let before = getrlimit(Resource::Nofile);
        let maximum = before.maximum.map_or(usize::MAX, saturate);
        let raised = wanted.min(maximum);
        if before.current.map_or(usize::MAX, saturate) < raised {
            // It fails on systems that have another limit beside this one. Then the old value holds.
            let limit = Rlimit { current: Some(raised as u64), maximum: before.maximum };
            let _ = setrlimit(Resource::Nofile, limit);
        }
        current(Resource::Nofile)
    }
}

/// Other systems do not have these limits.
#[cfg(not(unix))]
mod resources {
    pub(super) fn user_threads() -> Option<usize> {
        None
    }

    pub(super) fn address_space() -> Option<usize> {
        None
    }

    pub(super) fn raise_descriptors(_wanted: usize) -> Option<usize> {
        None
    }
}

/// The address space that the C library's allocator may reserve, in bytes: eight arenas for each core, of
/// 64 MiB each (glibc). The variable `MALLOC_ARENA_MAX` limits the number of arenas.
fn allocator_space(cores: usize, arena_max: Option<&str>) -> usize {
    const ARENA: usize = 64 * 1024 * 1024;
    let arenas = arena_max.and_then(|text| text.parse().ok()).unwrap_or(8 * cores);
    arenas.saturating_mul(ARENA)
}

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

    #[test]
    fn the_allocator_reserves_eight_arenas_for_each_core_or_as_many_as_it_is_told() {
        assert_eq!(allocator_space(2, None), 1 << 30);
        assert_eq!(allocator_space(2, Some("2")), 128 << 20);
        assert_eq!(allocator_space(2, Some("many")), 1 << 30);
        assert_eq!(allocator_space(1, Some("18446744073709551615")), usize::MAX);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_limit_on_descriptors_is_raised_as_far_as_asked_and_allowed_and_never_lowered() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let before = getrlimit(Resource::Nofile);
        let Some(current) = before.current else { return };
        // Other tests of this process do without one descriptor for a moment.
        setrlimit(Resource::Nofile, Rlimit { current: Some(current - 1), ..before }).unwrap();
        assert_eq!(Capacity::read(1).descriptors, Some(current as usize - 1));
        assert_eq!(Capacity::read(current as usize).descriptors, Some(current as usize));
        assert_eq!(getrlimit(Resource::Nofile).current, Some(current));
        let maximum = before.maximum.map_or(usize::MAX, |maximum| maximum as usize);
        let most = Capacity::read(maximum.min(current as usize + 1)).descriptors;
        assert_eq!(most, Some(maximum.min(current as usize + 1)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_says_how_many_maps_and_threads_it_allows() {
        let capacity = Capacity::read(0);
        assert!(capacity.memory_maps.is_some_and(|maps| maps > 1000), "{capacity:?}");
        assert!(capacity.system_threads.is_some_and(|threads| threads > 100), "{capacity:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_says_how_much_memory_it_has() {
        assert!(memory().is_some_and(|bytes| bytes > 16 * 1024 * 1024), "{:?}", memory());
    }
}
