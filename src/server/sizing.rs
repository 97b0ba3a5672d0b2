//! Sizing: lowers the limits on connections at start to what the system allows.
//!
//! A system without room for another thread may end the whole process: a thread that cannot get memory
//! for its signal stack while it starts cannot report that, so the Rust runtime aborts. So the server
//! must not come near such a limit, and it says at start when a limit of the system is the smaller one.

use crate::config::{
    CONNECTION_ADDRESS_SPACE, CONNECTION_MEMORY, Config, MAPS_PER_THREAD, MAX_WATCHERS,
    OWN_DESCRIPTORS, OWN_THREADS,
};
use crate::sys::capacity::Capacity;

/// A limit of the system, and what it means for the server.
struct Bound {
    /// How many connections there is room for.
    connections: usize,
    /// The name and the value of the limit.
    limit: String,
    /// What an operator can do about it.
    remedy: String,
}

/// The number of connections that the server allows at the same time.
fn wanted_connections(config: &Config) -> usize {
    config.max_clients.saturating_add(config.max_handshakes).saturating_add(MAX_WATCHERS)
}

/// The number of descriptors that the server can use with these settings.
pub(super) fn wanted_descriptors(config: &Config) -> usize {
    wanted_connections(config).saturating_add(OWN_DESCRIPTORS)
}

/// The number of threads that the system has room for. A fifth of its room stays free, because the
/// server's threads are not all that takes it.
pub(super) fn max_threads(capacity: &Capacity) -> usize {
    thread_bounds(capacity, 0).map(|bound| bound.connections).min().unwrap_or(usize::MAX)
}

/// Four fifths of `total`.
fn without_a_fifth(total: usize) -> usize {
    total - total / 5
}

/// The limits on threads: how many fit, and how to get room for `wanted`.
fn thread_bounds(capacity: &Capacity, wanted: usize) -> impl Iterator<Item = Bound> {
    // So many that four fifths of them are enough.
    let needed = |each| (wanted.saturating_mul(each).saturating_add(3) / 4).saturating_mul(5);
    let maps = capacity.memory_maps.map(|maps| Bound {
        connections: without_a_fifth(maps) / MAPS_PER_THREAD,
        limit: format!(
            "the system allows {maps} memory maps, and a thread takes {MAPS_PER_THREAD}"
        ),
        remedy: format!("sysctl vm.max_map_count={}", needed(MAPS_PER_THREAD)),
    });
    let system = capacity.system_threads.map(|threads| Bound {
        connections: without_a_fifth(threads),
        limit: format!("the system allows {threads} threads for all programs"),
        remedy: format!("sysctl kernel.threads-max={0} kernel.pid_max={0}", needed(1)),
    });
    let user = capacity.user_threads.map(|threads| Bound {
        connections: without_a_fifth(threads),
        limit: format!("this user may have {threads} threads"),
        remedy: format!("ulimit -u {}", needed(1)),
    });
    let group = capacity.group_threads.map(|threads| Bound {
        connections: without_a_fifth(threads),
        limit: format!("the control group may have {threads} threads"),
        remedy: "a larger pids.max (systemd: TasksMax, Docker: --pids-limit)".to_owned(),
    });
    let space = capacity.address_space.map(|bytes| {
        // When the allocator's arenas do not fit, the allocator does with fewer of them, and leaves at
        // least part of one.
        let left = bytes.saturating_sub(capacity.allocator_space).max(bytes / 16);
        Bound {
            connections: without_a_fifth(left) / CONNECTION_ADDRESS_SPACE,
            limit: format!("this process may use {} MiB of address space", bytes >> 20),
            remedy: "ulimit -v unlimited, or MALLOC_ARENA_MAX=2".to_owned(),
        }
    });
    [maps, system, user, group, space].into_iter().flatten()
}

/// All limits, in connections.
fn bounds(capacity: &Capacity, wanted: usize) -> impl Iterator<Item = Bound> {
    let threads = thread_bounds(capacity, wanted.saturating_add(OWN_THREADS))
        .map(|bound| Bound { connections: bound.connections.saturating_sub(OWN_THREADS), ..bound });
    let descriptors = capacity.descriptors.map(|descriptors| Bound {
        connections: descriptors.saturating_sub(OWN_DESCRIPTORS),
        limit: format!("this process may open {descriptors} descriptors"),
        remedy: format!("ulimit -n {}", wanted.saturating_add(OWN_DESCRIPTORS)),
    });
    let memory = capacity.memory.map(|bytes| Bound {
        connections: bytes / 2 / CONNECTION_MEMORY,
        limit: format!("half of the {} MiB of memory is for connections", bytes >> 20),
        remedy: "more memory".to_owned(),
    });
    threads.chain(descriptors).chain(memory)
}

/// Lowers `max_clients` and `max_handshakes` to what the system has room for. Returns a line for the log
/// when it does.
pub(super) fn fit(config: &mut Config, capacity: &Capacity) -> Option<String> {
    let wanted = wanted_connections(config);
    let tightest = bounds(capacity, wanted).min_by_key(|bound| bound.connections)?;
    if tightest.connections >= wanted {
        return None;
    }
    let (clients, handshakes) = (config.max_clients, config.max_handshakes);
    // At least one of each, because the system may turn out to have room for it.
    let room = tightest.connections.saturating_sub(MAX_WATCHERS).max(2);
    config.max_handshakes = handshakes.min((room / 4).max(1));
    config.max_clients = clients.min(room - config.max_handshakes);
    let lowered: Vec<String> = [
        ("--max-clients", clients, config.max_clients),
        ("--max-handshakes", handshakes, config.max_handshakes),
    ]
    .into_iter()
    .filter(|(_, before, now)| now < before)
    .map(|(flag, before, now)| format!("{flag} {before} is lowered to {now}"))
    .collect();
    if lowered.is_empty() {
        return None;
    }
    let Bound { limit, remedy, .. } = tightest;
    Some(format!("{}, because {limit}; to raise that: {remedy}", lowered.join(" and ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{CROSSINGS_WAITING, KEPT_END, KEPT_START, WATCHER_BYTES_WAITING};

    /// A common Linux machine.
    fn linux() -> Capacity {
        Capacity {
            memory_maps: Some(65_530),
            system_threads: Some(32_768),
            user_threads: Some(96_365),
            group_threads: None,
            address_space: None,
            allocator_space: 1 << 30,
            descriptors: Some(524_288),
            memory: Some(8 << 30),
        }
    }

    fn config(max_clients: usize, max_handshakes: usize) -> Config {
        Config { max_clients, max_handshakes, ..Config::default() }
    }

    #[test]
    fn the_defaults_fit_a_common_machine_and_nothing_is_lowered() {
        for capacity in [linux(), Capacity::default()] {
            let mut config = Config::default();
            assert_eq!(fit(&mut config, &capacity), None);
            assert_eq!((config.max_clients, config.max_handshakes), (10_000, 1_000));
        }
    }

    #[test]
    fn too_many_clients_are_lowered_with_a_line_that_says_why_and_what_helps() {
        let mut config = config(20_000, 1_000);
        let line = fit(&mut config, &linux()).expect("a line");
        let connections = 65_530 * 4 / 5 / 4 - OWN_THREADS - MAX_WATCHERS;
        assert_eq!(config.max_handshakes, 1_000);
        assert!(config.max_clients.abs_diff(connections - 1_000) <= 1, "{}", config.max_clients);
        let expected = format!(
            "--max-clients 20000 is lowered to {}, because the system allows 65530 memory maps, and \
             a thread takes 4; to raise that: sysctl vm.max_map_count=",
            config.max_clients
        );
        let value = line.strip_prefix(&expected).unwrap_or_else(|| panic!("{line}"));
        // What the line recommends is enough, and not much more than that.
        let maps = value.parse().expect("a number");
        let mut config = self::config(20_000, 1_000);
        assert_eq!(fit(&mut config, &Capacity { memory_maps: Some(maps), ..linux() }), None);
        let fewer = Capacity { memory_maps: Some(maps - 20), ..linux() };
        assert!(fit(&mut config, &fewer).is_some());
    }

    #[test]
    fn each_limit_can_be_the_tightest() {
        type Change = fn(&mut Capacity);
        let rows: [(Change, usize, &str); 7] = [
            (|c| c.memory_maps = Some(5_000), 1_000, "vm.max_map_count"),
            (|c| c.system_threads = Some(1_250), 1_000, "kernel.threads-max"),
            (|c| c.user_threads = Some(1_250), 1_000, "ulimit -u"),
            (|c| c.group_threads = Some(1_250), 1_000, "pids.max"),
            (
                |c| c.address_space = Some((1 << 30) + CONNECTION_ADDRESS_SPACE * 1_250),
                1_000,
                "ulimit -v",
            ),
            (|c| c.descriptors = Some(1_000 - OWN_THREADS + OWN_DESCRIPTORS), 1_000, "ulimit -n"),
            (|c| c.memory = Some((1_000 - OWN_THREADS) * 2 * CONNECTION_MEMORY), 1_000, "memory"),
        ];
        for (change, threads, remedy) in rows {
            let mut capacity = linux();
            change(&mut capacity);
            let mut config = config(10_000, 10_000);
            let line = fit(&mut config, &capacity).unwrap_or_else(|| panic!("{remedy}"));
            let room = threads - OWN_THREADS - MAX_WATCHERS;
            assert!(line.contains(remedy), "{line}");
            let both = format!(
                "--max-clients 10000 is lowered to {} and --max-handshakes 10000 is lowered to {}, ",
                config.max_clients, config.max_handshakes
            );
            assert!(line.starts_with(&both), "{line}");
            assert_eq!(config.max_handshakes, room / 4, "{line}");
            assert_eq!(config.max_clients, room - room / 4, "{line}");
        }
    }

    #[test]
    fn a_system_without_room_still_gets_one_client_and_limits_that_fit_are_kept() {
        for descriptors in [0, 10, OWN_DESCRIPTORS, OWN_DESCRIPTORS + MAX_WATCHERS] {
            let mut config = config(10_000, 1_000);
            let capacity = Capacity { descriptors: Some(descriptors), ..linux() };
            assert!(fit(&mut config, &capacity).is_some());
            assert_eq!((config.max_clients, config.max_handshakes), (1, 1));
            assert_eq!(fit(&mut config, &capacity), None, "nothing is left to lower");
        }
        let mut config = config(usize::MAX, 5);
        assert!(fit(&mut config, &linux()).is_some());
        assert_eq!(config.max_handshakes, 5);
    }

    #[test]
    fn the_number_of_threads_is_bounded_only_by_the_limits_on_threads() {
        assert_eq!(max_threads(&linux()), 13_106);
        assert_eq!(max_threads(&Capacity::default()), usize::MAX);
        let few = Capacity { descriptors: Some(3), memory: Some(1), ..Capacity::default() };
        assert_eq!(max_threads(&few), usize::MAX);
        // The allocator does with fewer arenas when they do not fit.
        let small = Capacity { address_space: Some(512 << 20), ..linux() };
        assert_eq!(max_threads(&small), (32 << 20) / 5 * 4 / CONNECTION_ADDRESS_SPACE);
    }

    #[test]
    fn the_sums_in_limits_md_follow_from_the_settings() {
        const MIB: usize = 1024 * 1024;
        let config = Config::default();
        let connections = wanted_connections(&config);
        // A captured frame has some 200 bytes beside its payload.
        let crossings = CROSSINGS_WAITING * (KEPT_START + KEPT_END + 200);
        let watchers = MAX_WATCHERS * WATCHER_BYTES_WAITING + crossings;
        let document = include_str!("../limits.md");
        for (what, sum) in [
            ("threads", grouped(connections + OWN_THREADS)),
            ("descriptors", grouped(wanted_descriptors(&config))),
            (
                "memory, for connections",
                format!("{} MiB", (connections * CONNECTION_MEMORY).div_ceil(MIB)),
            ),
            ("memory, for watchers", format!("{} MiB", watchers / MIB)),
        ] {
            let row = format!("| {what} | {sum} |");
            assert!(document.contains(&row), "limits.md needs {row}");
        }
    }

    /// A number with a comma behind its thousands.
    fn grouped(number: usize) -> String {
        format!("{},{:03}", number / 1000, number % 1000)
    }
}
