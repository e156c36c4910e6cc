//! What is mounted: `/proc/self/mountinfo`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::frontend::node::DeviceNumber;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    pub(super) device: DeviceNumber,
    pub(crate) mount_point: PathBuf,
    pub(crate) source: PathBuf,
    /// Name of the file system: `ext4`.
    pub(crate) kind: String,
    /// What is mounted below it later is seen by other mount namespaces too.
    pub(crate) is_shared: bool,
    /// It was mounted to be written, and the file system below takes no writes: an error turned it read-only.
    pub(crate) turned_read_only: bool,
}

/// All mounts this process sees, oldest first.
pub(crate) fn all() -> io::Result<Vec<Mount>> {
    seen_by("self")
}

/// All mounts that a process sees.
fn seen_by(process: &str) -> io::Result<Vec<Mount>> {
    let table = std::fs::read(format!("/proc/{process}/mountinfo"))?;
    Ok(table.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// Mounts at exactly `path`, lowest first.
pub(super) fn at(path: &Path) -> io::Result<Vec<Mount>> {
    Ok(all()?.into_iter().filter(|mount| mount.mount_point == path).collect())
}

/// Where the block device at `node` is mounted; nowhere when it is no block device.
#[must_use]
pub fn mounted_at(node: &Path) -> Vec<PathBuf> {
    mounts_of(node).into_iter().map(|mount| mount.mount_point).collect()
}

/// The mounts of the block device at `node`; none when it is no block device.
#[must_use]
pub(crate) fn mounts_of(node: &Path) -> Vec<Mount> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let Ok(metadata) = std::fs::metadata(node) else { return Vec::new() };
    if !metadata.file_type().is_block_device() {
        return Vec::new();
    }
    let device = DeviceNumber::of_raw(metadata.rdev());
    all().unwrap_or_default().into_iter().filter(|mount| mount.device == device).collect()
}

/// A mounted block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::frontend) struct MountedDevice {
    /// Number of the device, which every file of a file system on it carries (`st_dev`).
    pub(in crate::frontend) number: u64,
    /// At least one.
    pub(in crate::frontend) mount_points: Vec<PathBuf>,
}

/// The block device at `node`, if it is one and mounted.
pub(in crate::frontend) fn mounted_device(node: &Path) -> Option<MountedDevice> {
    use std::os::unix::fs::MetadataExt;
    let mount_points = mounted_at(node);
    let number = std::fs::metadata(node).ok()?.rdev();
    (!mount_points.is_empty()).then_some(MountedDevice { number, mount_points })
}

/// The block device of this number, if it is mounted.
pub(in crate::frontend) fn mounted_number(device: DeviceNumber) -> Option<MountedDevice> {
    let mounts = all().unwrap_or_default().into_iter().filter(|mount| mount.device == device);
    let mount_points: Vec<_> = mounts.map(|mount| mount.mount_point).collect();
    let number = nix::sys::stat::makedev(device.major, device.minor);
    (!mount_points.is_empty()).then_some(MountedDevice { number, mount_points })
}

/// The block device at `node`, if it is one and mounted in the mount namespace of any other process; the mount points are
/// paths through such a process. Each namespace is looked at once.
pub(in crate::frontend) fn mounted_elsewhere(node: &Path) -> Option<MountedDevice> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let metadata = std::fs::metadata(node).ok().filter(|metadata| metadata.file_type().is_block_device())?;
    let device = DeviceNumber::of_raw(metadata.rdev());
    let mut seen: BTreeSet<PathBuf> = std::fs::read_link("/proc/self/ns/mnt").into_iter().collect();
    let mut mount_points = Vec::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let namespace = std::fs::read_link(process.path().join("ns/mnt"));
        if !namespace.is_ok_and(|namespace| seen.insert(namespace)) {
            continue;
        }
        let mounts = seen_by(&process.file_name().to_string_lossy()).unwrap_or_default();
        let root = process.path().join("root");
        let found = mounts.iter().filter(|mount| mount.device == device);
        mount_points.extend(found.filter_map(|mount| Some(root.join(mount.mount_point.strip_prefix("/").ok()?))));
    }
    (!mount_points.is_empty()).then(|| MountedDevice { number: metadata.rdev(), mount_points })
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`
fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let separator = fields.iter().position(|field| *field == b"-")?;
    Some(Mount {
        device: DeviceNumber::parse(std::str::from_utf8(fields.get(2)?).ok()?)?,
        mount_point: unescaped(fields.get(4)?),
        source: unescaped(fields.get(separator + 2)?),
        kind: String::from_utf8_lossy(fields.get(separator + 1)?).into_owned(),
        is_shared: fields.get(6..separator)?.iter().any(|field| field.starts_with(b"shared:")),
        turned_read_only: has_option(fields.get(5)?, b"rw") && has_option(fields.get(separator + 3)?, b"ro"),
    })
}

/// Options are separated by commas.
fn has_option(options: &[u8], wanted: &[u8]) -> bool {
    options.split(|&byte| byte == b',').any(|option| option == wanted)
}

/// The kernel writes space, tab, newline and backslash as `\` and three octal digits.
fn unescaped(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = (first == b'\\').then(|| tail.get(..3)).flatten();
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        bytes.push(value.unwrap_or(first));
        rest = if value.is_some() { &tail[3..] } else { tail };
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_mountinfo() {
        let line = br"36 35 7:12 / /mnt/a\040b rw,noatime master:1 - fuse aurochs:vol\0401 rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.device, DeviceNumber { major: 7, minor: 12 });
        assert_eq!(mount.mount_point, Path::new("/mnt/a b"));
        assert_eq!(mount.source, Path::new("aurochs:vol 1"));
        assert_eq!((mount.kind.as_str(), mount.is_shared), ("fuse", false));
        assert!(parse(b"1 0 8:1 / / rw shared:1 - ext4 /dev/sda1 rw").unwrap().is_shared);
        assert_eq!(parse(b""), None);
        for (mount, filesystem, turned) in
            [("rw", "rw", false), ("rw", "ro,errors=remount-ro", true), ("ro", "ro", false)]
        {
            let line = format!("1 0 8:1 / /m {mount},relatime - ext4 /dev/sda1 {filesystem}");
            assert_eq!(parse(line.as_bytes()).unwrap().turned_read_only, turned, "{line}");
        }
    }
}
