//! The devices that a disk's file system lies on: below partitions, device mapper, RAID and loop devices.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::filesystem;

/// More devices below one file system are not asked.
const DEVICES_MAXIMUM: usize = 32;
/// No stack of devices is deeper; one that is goes in a circle.
const DEPTH_MAXIMUM: usize = 8;

/// Names of the whole devices below the file system at `path`: `sda`, `nvme0n1`. Empty where there is none (a network's
/// file system, one in memory).
pub(super) fn below(path: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect_path(Path::new("/sys"), path, 0, &mut found);
    found
}

fn collect_path(sys: &Path, path: &Path, depth: usize, found: &mut BTreeSet<String>) {
    let Ok(metadata) = fs::metadata(path) else { return };
    let own = numbered(sys, metadata.dev());
    // Some file systems have a number of their own; what is mounted has the device's.
    let mounted = || {
        let device = filesystem::of(path).ok()?.device;
        numbered(sys, fs::metadata(device).ok()?.rdev())
    };
    if let Some(device) = own.or_else(mounted) {
        collect(sys, &device, depth, found);
    }
}

/// The kernel's directory of a device.
fn numbered(sys: &Path, number: u64) -> Option<PathBuf> {
    let (major, minor) = (nix::sys::stat::major(number), nix::sys::stat::minor(number));
    fs::canonicalize(sys.join(format!("dev/block/{major}:{minor}"))).ok()
}

fn collect(sys: &Path, device: &Path, depth: usize, found: &mut BTreeSet<String>) {
    if depth >= DEPTH_MAXIMUM || found.len() >= DEVICES_MAXIMUM {
        return;
    }
    if device.join("partition").exists() {
        if let Some(whole) = device.parent() {
            collect(sys, whole, depth + 1, found);
        }
        return;
    }
    if let Ok(file) = fs::read_to_string(device.join("loop/backing_file")) {
        return collect_path(sys, Path::new(file.trim_end()), depth + 1, found);
    }
    let slaves: Vec<PathBuf> = fs::read_dir(device.join("slaves"))
        .map(|entries| entries.flatten().filter_map(|entry| fs::canonicalize(entry.path()).ok()).collect())
        .unwrap_or_default();
    for slave in &slaves {
        collect(sys, slave, depth + 1, found);
    }
    // What has no hardware below has no health: a disk in memory, the client of a network's disk.
    let has_hardware = device.join("device").exists();
    if let Some(name) = device.file_name().filter(|_| slaves.is_empty() && has_hardware) {
        found.insert(name.to_string_lossy().into_owned());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A stack as the kernel shows it: dm-0 on a partition of sda and on nvme0n1.
    #[test]
    fn the_hardware_below_a_stack_is_found() {
        let sys = tempfile::tempdir().unwrap();
        let sys = sys.path();
        for directory in
            ["devices/sda/sda1", "devices/sda/device", "devices/nvme0n1/device", "devices/dm-0/slaves", "devices/ram0"]
        {
            fs::create_dir_all(sys.join(directory)).unwrap();
        }
        fs::write(sys.join("devices/sda/sda1/partition"), "1").unwrap();
        symlink("../../sda/sda1", sys.join("devices/dm-0/slaves/sda1")).unwrap();
        symlink("../../nvme0n1", sys.join("devices/dm-0/slaves/nvme0n1")).unwrap();
        let below = |device: &str| {
            let mut found = BTreeSet::new();
            collect(sys, &sys.join("devices").join(device), 0, &mut found);
            found.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(below("dm-0"), ["nvme0n1", "sda"]);
        assert_eq!(below("sda/sda1"), ["sda"]);
        assert!(below("ram0").is_empty());
        // A circle ends.
        fs::create_dir_all(sys.join("devices/dm-1/slaves")).unwrap();
        symlink("../../dm-1", sys.join("devices/dm-1/slaves/dm-1")).unwrap();
        assert!(below("dm-1").is_empty());
    }
}
