//! What is mounted in the driver's mount namespace: `/proc/self/mountinfo`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

const TABLE: &str = "/proc/self/mountinfo";

/// Number of a device, as the table and `stat` have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) major: u64,
    pub(super) minor: u64,
}

impl Number {
    /// `7:3`, as the kernel writes it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.split_once(':')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// Of the file system's device.
    pub(super) device: Number,
    /// What of the file system is mounted: `/` for all of it.
    pub(super) root: PathBuf,
    pub(super) at: PathBuf,
    /// This mount's alone.
    options: String,
    pub(super) kind: String,
    /// The file system's, wherever it is mounted.
    super_options: String,
}

impl Mount {
    /// This mount can't be written.
    pub(super) fn is_read_only(&self) -> bool {
        has(&self.options, "ro")
    }

    /// Nobody can write the file system: it was mounted so, or has failed.
    pub(super) fn is_unwritable(&self) -> bool {
        has(&self.super_options, "ro") || has(&self.super_options, "shutdown")
    }
}

fn has(options: &str, wanted: &str) -> bool {
    options.split(',').any(|option| option == wanted)
}

/// All mounts, in the order in which they came.
pub(super) fn read() -> Result<Vec<Mount>, Failure> {
    let text = std::fs::read(TABLE).map_err(|error| Failure::internal(format_args!("{TABLE}: {error}"), ""))?;
    Ok(text.split(|byte| *byte == b'\n').filter_map(line).collect())
}

/// What is seen at `path`: of several mounts there the last.
pub(super) fn at(path: &Path) -> Result<Option<Mount>, Failure> {
    let path = resolved(path);
    Ok(read()?.into_iter().rfind(|mount| mount.at == path))
}

/// All mounts of this device's file system.
pub(super) fn of(device: Number) -> Result<Vec<Mount>, Failure> {
    let mut all = read()?;
    all.retain(|mount| mount.device == device);
    Ok(all)
}

/// The table names directories without symbolic links. The last part may itself be what does not answer, so that only what is
/// above is looked at.
fn resolved(path: &Path) -> PathBuf {
    let (Some(above), Some(name)) = (path.parent(), path.file_name()) else { return path.to_owned() };
    above.canonicalize().map_or_else(|_| path.to_owned(), |above| above.join(name))
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue` (proc(5)).
fn line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty()).collect();
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    let text = |at: usize| fields.get(at).map(|field| String::from_utf8_lossy(field).into_owned());
    Some(Mount {
        device: Number::parse(&text(2)?)?,
        root: path(fields.get(3)?),
        at: path(fields.get(4)?),
        options: text(5)?,
        kind: text(dash + 1)?,
        super_options: text(dash + 3)?,
    })
}

/// Blanks, tabs, line ends and backslashes stand there as `\040` and the like.
fn path(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, behind)) = rest.split_first() {
        let octal = if first == b'\\' { behind.get(..3).and_then(octal) } else { None };
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = behind;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let text =
            b"36 35 7:3 / /var/lib/kubelet/a\\040b rw,noatime master:1 shared:2 - ext4 /dev/longhorn/v ro,stripe=4";
        let found = line(text).unwrap();
        assert_eq!(found.device, Number { major: 7, minor: 3 });
        assert_eq!(found.at, Path::new("/var/lib/kubelet/a b"));
        assert_eq!(found.kind, "ext4");
        assert!(!found.is_read_only() && found.is_unwritable());
        let bare = line(b"36 35 0:5 /longhorn/v /a ro - devtmpfs dev rw").unwrap();
        assert!(bare.is_read_only() && !bare.is_unwritable());
        assert_eq!(bare.root, Path::new("/longhorn/v"));
        for wrong in [&b""[..], b"36 35 7:3 / /a", b"36 35 x / /a rw - ext4 d rw", b"a - b"] {
            assert_eq!(line(wrong), None);
        }
        assert_eq!(path(b"a\\0x\\"), Path::new("a\\0x\\"));
    }

    #[test]
    fn the_table_of_this_process_is_read() {
        assert!(read().unwrap().iter().any(|mount| mount.at == Path::new("/")));
        assert_eq!(at(Path::new("/proc")).unwrap().unwrap().kind, "proc");
    }
}
