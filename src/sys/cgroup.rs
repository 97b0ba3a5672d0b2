//! Limits that a control group sets for this process. Linux has control groups (cgroups): containers
//! and systemd use them to share out a machine.

use std::fs;
use std::path::{Path, PathBuf};

/// A limit of a control group, by the names of its file in the two versions of cgroups.
pub struct Limit {
    /// The controller that sets the limit: its folder in version 1.
    controller: &'static str,
    file_v1: &'static str,
    file_v2: &'static str,
}

/// Bytes of memory.
pub const MEMORY: Limit =
    Limit { controller: "memory", file_v1: "memory.limit_in_bytes", file_v2: "memory.max" };

/// The number of processes and threads.
pub const TASKS: Limit = Limit { controller: "pids", file_v1: "pids.max", file_v2: "pids.max" };

/// Reads the limit from this process's group and from all groups around it, and returns the smallest.
/// Returns `None` if none of them sets it.
pub fn limit(limit: &Limit) -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let files = files(&groups, limit);
    files.iter().filter_map(|file| parse(&fs::read_to_string(file).ok()?)).min()
}

/// The files that may hold the limit. `groups` is the text of `/proc/self/cgroup`, with lines such as
/// `4:memory:/group` (version 1) and `0::/group` (version 2).
///
/// A container often sees its own group as the root of the mount, but under its full path in
/// `groups`. So the root is among the files in every case.
fn files(groups: &str, limit: &Limit) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (roots, file) = if controllers.is_empty() {
            (vec!["/sys/fs/cgroup".into(), "/sys/fs/cgroup/unified".into()], limit.file_v2)
        } else if controllers.split(',').any(|name| name == limit.controller) {
            (vec![Path::new("/sys/fs/cgroup").join(limit.controller)], limit.file_v1)
        } else {
            continue;
        };
        for root in roots {
            let group = Path::new(group.trim_start_matches('/'));
            files.extend(group.ancestors().map(|group| root.join(group).join(file)));
        }
    }
    files
}

/// Reads a limit from the text of its file: a number, or `max` for none.
fn parse(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(groups: &str, limit: &Limit) -> Vec<String> {
        files(groups, limit).iter().map(|file| file.display().to_string()).collect()
    }

    #[test]
    fn version_2_has_the_limits_of_a_group_and_of_all_groups_around_it() {
        let expected = [
            "/sys/fs/cgroup/user.slice/1.scope/memory.max",
            "/sys/fs/cgroup/user.slice/memory.max",
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/unified/user.slice/1.scope/memory.max",
            "/sys/fs/cgroup/unified/user.slice/memory.max",
            "/sys/fs/cgroup/unified/memory.max",
        ];
        assert_eq!(names("0::/user.slice/1.scope\n", &MEMORY), expected);
    }

    #[test]
    fn version_1_has_a_folder_for_each_controller() {
        let groups = "9:name=systemd:/\n8:cpu,pids:/docker/0:1\n4:memory:/a\n";
        let expected = [
            "/sys/fs/cgroup/pids/docker/0:1/pids.max",
            "/sys/fs/cgroup/pids/docker/pids.max",
            "/sys/fs/cgroup/pids/pids.max",
        ];
        assert_eq!(names(groups, &TASKS), expected);
        let expected = [
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        assert_eq!(names(groups, &MEMORY), expected);
    }

    #[test]
    fn text_that_is_not_a_list_of_groups_has_no_files() {
        for groups in ["", "nonsense", "1:", "0:memory"] {
            assert!(files(groups, &MEMORY).is_empty(), "{groups:?}");
        }
    }

    #[test]
    fn a_limit_is_a_number_or_max() {
        assert_eq!(parse("32768\n"), Some(32768));
        assert_eq!(parse("max\n"), None);
        assert_eq!(parse(""), None);
        assert_eq!(parse("-1\n"), None);
    }
}
