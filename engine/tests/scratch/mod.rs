//! Directories of tests. One that is killed leaves its own behind; the next test that needs one clears those away.

#![allow(dead_code, clippy::allow_attributes, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Once;

use tempfile::TempDir;

/// Not below /tmp: it may be a tmpfs, which has no direct I/O.
const PARENT: &str = "/var/tmp";

/// A directory of this process, short for the sockets' paths. Its name tells whose it is: `aur-<id>-<start time>-…`.
pub(crate) fn directory() -> TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(|| sweep(Path::new(PARENT)));
    directory_in(Path::new(PARENT), std::process::id())
}

pub(crate) fn directory_in(parent: &Path, process: u32) -> TempDir {
    let prefix = format!("aur-{process:x}-{:x}-", start_ticks(process).unwrap());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).unwrap()
}

/// Removes directories whose process is gone and that nothing uses any more. Another test may be doing the same.
pub(crate) fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).unwrap().flatten() {
        let owner = entry.file_name().to_str().and_then(owner);
        if owner.is_some_and(|(process, ticks)| start_ticks(process) != Some(ticks)) && !is_used(&entry.path()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// When a process was started, in ticks since the boot.
fn start_ticks(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the command is in parentheses and may hold anything; the fields count from behind it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix("aur-")?.split('-');
    let (process, ticks, _) = (parts.next()?, parts.next()?, parts.next()?);
    Some((u32::from_str_radix(process, 16).ok()?, u64::from_str_radix(ticks, 16).ok()?))
}

/// Whether something is mounted in it, a loop device stands on a file of it, or a process was started on it. What can't
/// be found out is in use.
fn is_used(directory: &Path) -> bool {
    let Some(path) = directory.to_str() else { return true };
    let Ok(mounts) = std::fs::read_to_string("/proc/self/mountinfo") else { return true };
    mounts.contains(path)
        || is_named_by("/sys/block", "loop/backing_file", path)
        || is_named_by("/proc", "cmdline", path)
}

/// Whether `file` of one of the directories in `all` names the path.
fn is_named_by(all: &str, file: &str, path: &str) -> bool {
    let entries = std::fs::read_dir(all).into_iter().flatten().flatten();
    let texts = entries.filter_map(|entry| std::fs::read(entry.path().join(file)).ok());
    texts.into_iter().any(|text| String::from_utf8_lossy(&text).contains(path))
}
