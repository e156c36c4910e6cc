//! What is mounted: `/proc/self/mountinfo`.
//!
//! A file system is on a device also when it is mounted from one that stands on it: the plain side of LUKS, a logical volume.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::frontend::node::DeviceNumber;

const BLOCK_DEVICES: &str = "/sys/dev/block";

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
    let Some(device) = number_of(node) else { return Vec::new() };
    let devices = with_those_above(Path::new(BLOCK_DEVICES), device);
    all().unwrap_or_default().into_iter().filter(|mount| devices.contains(&mount.device)).collect()
}

fn number_of(node: &Path) -> Option<DeviceNumber> {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let metadata = std::fs::metadata(node).ok().filter(|metadata| metadata.file_type().is_block_device())?;
    Some(DeviceNumber::of_raw(metadata.rdev()))
}

/// A block device and all that stand on it, the lowest first. `directory` is the kernel's, where they are by number.
fn with_those_above(directory: &Path, device: DeviceNumber) -> Vec<DeviceNumber> {
    let mut devices = vec![device];
    let mut looked_at = 0;
    while let Some(below) = devices.get(looked_at) {
        looked_at += 1;
        let holders = std::fs::read_dir(directory.join(below.to_string()).join("holders"));
        let numbers = holders.into_iter().flatten().flatten().filter_map(|holder| {
            let text = std::fs::read_to_string(holder.path().join("dev")).ok()?;
            DeviceNumber::parse(&text)
        });
        let above: Vec<_> = numbers.filter(|number| !devices.contains(number)).collect();
        devices.extend(above);
    }
    devices
}

/// A mounted block device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::frontend) struct MountedDevice {
    /// Number of the device, which every file of a file system on it carries (`st_dev`).
    pub(in crate::frontend) number: u64,
    /// At least one.
    pub(in crate::frontend) mount_points: Vec<PathBuf>,
}

impl MountedDevice {
    /// The one of these that is mounted; the lowest if it is several.
    fn first(devices: &[DeviceNumber], mounts: &[(DeviceNumber, PathBuf)]) -> Option<Self> {
        let of = |device: &DeviceNumber| -> Vec<PathBuf> {
            mounts.iter().filter(|(number, _)| number == device).map(|(_, at)| at.clone()).collect()
        };
        let (device, mount_points) =
            devices.iter().map(|device| (device, of(device))).find(|(_, mount_points)| !mount_points.is_empty())?;
        Some(Self { number: nix::sys::stat::makedev(device.major, device.minor), mount_points })
    }
}

/// The block device at `node`, if it is one and mounted, or the one above it that is.
pub(in crate::frontend) fn mounted_device(node: &Path) -> Option<MountedDevice> {
    mounted_number(number_of(node)?)
}

/// The block device of this number, if it is mounted, or the one above it that is.
pub(in crate::frontend) fn mounted_number(device: DeviceNumber) -> Option<MountedDevice> {
    let mounts: Vec<_> = all().ok()?.into_iter().map(|mount| (mount.device, mount.mount_point)).collect();
    MountedDevice::first(&with_those_above(Path::new(BLOCK_DEVICES), device), &mounts)
}

/// The block device at `node`, or the one above it, if it is mounted in the mount namespace of any other process; the mount
/// points are paths through such a process. Each namespace is looked at once.
pub(in crate::frontend) fn mounted_elsewhere(node: &Path) -> Option<MountedDevice> {
    let devices = with_those_above(Path::new(BLOCK_DEVICES), number_of(node)?);
    let mut seen: BTreeSet<PathBuf> = std::fs::read_link("/proc/self/ns/mnt").into_iter().collect();
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let namespace = std::fs::read_link(process.path().join("ns/mnt"));
        if !namespace.is_ok_and(|namespace| seen.insert(namespace)) {
            continue;
        }
        let mounts = seen_by(&process.file_name().to_string_lossy()).unwrap_or_default();
        let root = process.path().join("root");
        let mounts = mounts.iter().filter(|mount| devices.contains(&mount.device));
        found.extend(
            mounts.filter_map(|mount| Some((mount.device, root.join(mount.mount_point.strip_prefix("/").ok()?)))),
        );
    }
    MountedDevice::first(&devices, &found)
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

    #[test]
    fn what_stands_on_a_device() {
        let directory = tempfile::tempdir().unwrap();
        // 7:1 below 254:0 (LUKS), that below 254:1 and 254:2 (logical volumes); 7:2 has nobody above it.
        for (below, name, above) in
            [("7:1", "dm-0", "254:0"), ("254:0", "dm-1", "254:1"), ("254:0", "dm-2", "254:2"), ("254:2", "odd", "")]
        {
            let holder = directory.path().join(below).join("holders").join(name);
            std::fs::create_dir_all(&holder).unwrap();
            std::fs::write(holder.join("dev"), format!("{above}\n")).unwrap();
        }
        let number = |text: &str| DeviceNumber::parse(text).unwrap();
        let mut devices = with_those_above(directory.path(), number("7:1"));
        assert_eq!(devices[..2], [number("7:1"), number("254:0")]);
        devices[2..].sort_by_key(|device| device.minor);
        assert_eq!(devices[2..], [number("254:1"), number("254:2")]);
        assert_eq!(with_those_above(directory.path(), number("7:2")), [number("7:2")]);

        let at = |device: &str, path: &str| (number(device), PathBuf::from(path));
        let mounts = [at("254:2", "/upper"), at("254:1", "/lower"), at("254:1", "/again"), at("7:2", "/other")];
        let first = MountedDevice::first(&devices, &mounts).unwrap();
        assert_eq!(first.number, nix::sys::stat::makedev(254, 1));
        assert_eq!(first.mount_points, [PathBuf::from("/lower"), PathBuf::from("/again")]);
        assert_eq!(MountedDevice::first(&devices, &mounts[3..]), None);
    }
}
