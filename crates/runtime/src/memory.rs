//! How much memory a process may take: what its control group allows, else what the machine has.
//!
//! Knows the kernel's files, not what the memory is for.

use std::fs;
use std::path::{Path, PathBuf};

/// What the process may take, in bytes: the smallest limit of its control groups (version 2 or 1), or
/// the machine's memory. `None`: the kernel does not say.
#[must_use]
pub fn memory_limit() -> Option<u64> {
    limit_below(Path::new("/"))
}

fn limit_below(root: &Path) -> Option<u64> {
    let machine = machine(&read(&root.join("proc/meminfo")));
    let groups = read(&root.join("proc/self/cgroup"));
    let files = groups.lines().flat_map(|line| files(root, line));
    let limits = files.filter_map(|file| read(&file).trim().parse::<u64>().ok());
    limits.chain(machine).min()
}

/// The files that may hold a limit for the group of a line of `/proc/self/cgroup`: its own, and those
/// of all groups around it. In a container the path is often one that only the host can see, and what
/// is mounted is the group itself.
fn files(root: &Path, line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':');
    let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let (mount, name) = match controllers {
        "" => ("sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|one| one == "memory") => {
            ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
        }
        _ => return Vec::new(),
    };
    let path = Path::new(path.trim_start_matches('/'));
    path.ancestors().map(|group| root.join(mount).join(group).join(name)).collect()
}

fn machine(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       24684504 kB\nMemFree:        18475840 kB\n";

    /// A tree of files under a new directory.
    fn limit(name: &str, files: &[(&str, &str)]) -> Option<u64> {
        let root = std::env::temp_dir().join(format!("weir-memory-{}-{name}", std::process::id()));
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let limit = limit_below(&root);
        let _ = fs::remove_dir_all(&root);
        limit
    }

    #[test]
    fn the_smallest_limit_holds() {
        let in_two = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("sys/fs/cgroup/a/memory.max", "536870912\n"),
        ];
        assert_eq!(limit("two", &in_two), Some(512 << 20));
        let in_one = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "9:name=systemd:/x\n4:cpu,memory:/docker/4f\n0::/\n"),
            ("sys/fs/cgroup/memory/docker/4f/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"),
        ];
        assert_eq!(limit("one", &in_one), Some(256 << 20));
        // In a container what is mounted is the group itself.
        let inside = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/system.slice/docker-4f.scope\n"),
            ("sys/fs/cgroup/memory.max", "1073741824\n"),
        ];
        assert_eq!(limit("inside", &inside), Some(1 << 30));
    }

    #[test]
    fn without_a_limit_it_is_the_machines_memory() {
        let unlimited = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a\n"),
            ("sys/fs/cgroup/a/memory.max", "max\n"),
        ];
        assert_eq!(limit("unlimited", &unlimited), Some(24_684_504 << 10));
        assert_eq!(limit("none", &[("proc/meminfo", "MemTotal: lots\n")]), None);
        assert!(memory_limit().is_some());
    }
}
