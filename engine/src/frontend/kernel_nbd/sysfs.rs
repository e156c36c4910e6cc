//! What the kernel shows of its NBD devices: `/sys/block/nbd<index>/…`.
//!
//! | file | while attached |
//! |---|---|
//! | `pid` | the thread that attached it |
//! | `backend` | the identifier that it was attached under |
//! | `dev` | always: major and minor number |
//! | `queue/max_sectors_kb` | always: largest request, in KiB |
//! | `queue/io_timeout` | always: milliseconds until the driver looks at a request that is not answered, and looks again |

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

/// A device that is attached, and under which identifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct AttachedAs {
    pub(super) index: u32,
    pub(super) backend: String,
}

/// The directory of all block devices, elsewhere in tests.
#[derive(Clone, Debug)]
pub(super) struct Sysfs(PathBuf);

impl Default for Sysfs {
    fn default() -> Self {
        Self("/sys/block".into())
    }
}

impl Sysfs {
    fn device(&self, index: u32) -> PathBuf {
        self.0.join(format!("nbd{index}"))
    }

    pub(super) fn is_attached(&self, index: u32) -> bool {
        self.device(index).join("pid").exists()
    }

    /// The devices that are attached under a wanted identifier, by their indices.
    ///
    /// # Errors
    /// When one can't be looked at: it may be any.
    pub(super) fn attached(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<Vec<AttachedAs>> {
        let mut devices = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let index = name.to_str().and_then(|name| name.strip_prefix("nbd")?.parse().ok());
            let Some(index) = index else { continue };
            if let Some(backend) = self.backend(index)?.filter(|backend| is_wanted(backend)) {
                devices.push(AttachedAs { index, backend });
            }
        }
        devices.sort_by_key(|device| device.index);
        Ok(devices)
    }

    /// The identifier that a device is attached under. Before Linux 5.14 none has one.
    pub(super) fn backend(&self, index: u32) -> io::Result<Option<String>> {
        let device = self.device(index);
        if !device.join("pid").try_exists()? {
            return Ok(None);
        }
        match std::fs::read_to_string(device.join("backend")) {
            Ok(text) => Ok(Some(text.trim_end_matches('\n').to_owned())),
            // It is detached at this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound || is_gone(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// `43:0`.
    pub(super) fn number(&self, index: u32) -> io::Result<String> {
        std::fs::read_to_string(self.device(index).join("dev"))
    }

    pub(super) fn set_largest_request(&self, index: u32, kib: u32) -> io::Result<()> {
        write(&self.device(index).join("queue/max_sectors_kb"), &kib.to_string())
    }

    pub(super) fn set_look_interval(&self, index: u32, interval: Duration) -> io::Result<()> {
        write(&self.device(index).join("queue/io_timeout"), &interval.as_millis().to_string())
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::ENODEV as i32)
}

/// Not what is there already: a write waits for requests in flight, and holds new ones back meanwhile.
fn write(path: &Path, text: &str) -> io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|found| found.trim_end() == text) {
        return Ok(());
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_not_taken_for_absent() {
        let root = tempfile::tempdir().unwrap();
        assert!(Sysfs(root.path().join("not-mounted")).attached(|_| true).is_err());
        // A directory can't be read as a file.
        std::fs::create_dir_all(root.path().join("nbd0/backend")).unwrap();
        std::fs::write(root.path().join("nbd0/pid"), "17\n").unwrap();
        assert!(Sysfs(root.path().to_owned()).attached(|_| true).is_err());
    }

    #[test]
    fn devices_are_found_by_their_identifier_while_they_are_attached() {
        let root = tempfile::tempdir().unwrap();
        let sysfs = Sysfs(root.path().to_owned());
        let put = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        put("nbd0/dev", "43:0\n");
        put("nbd3/pid", "17\n");
        put("nbd3/backend", "aurochs:other\n");
        put("nbd12/backend", "aurochs:vol\n");
        put("nbdx/backend", "aurochs:vol\n");
        put("nbd12/queue/max_sectors_kb", "128\n");
        put("nbd12/queue/io_timeout", "30000\n");
        let found = || -> Vec<u32> {
            let devices = sysfs.attached(|backend| backend == "aurochs:vol").unwrap();
            devices.into_iter().map(|device| device.index).collect()
        };
        assert_eq!(found(), Vec::<u32>::new(), "no process: it is not attached any more");
        put("nbd12/pid", "4711\n");
        assert_eq!(found(), [12]);
        put("nbd5/pid", "4712\n");
        put("nbd5/backend", "aurochs:vol\n");
        assert_eq!(found(), [5, 12], "all of them, not the first");
        assert_eq!(sysfs.backend(3).unwrap().as_deref(), Some("aurochs:other"));
        assert_eq!(sysfs.backend(0).unwrap(), None);
        assert!(!sysfs.is_attached(0));
        assert_eq!(sysfs.number(0).unwrap().trim(), "43:0");
        sysfs.set_largest_request(12, 1024).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("nbd12/queue/max_sectors_kb")).unwrap(), "1024");
        sysfs.set_look_interval(12, Duration::from_secs(10)).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("nbd12/queue/io_timeout")).unwrap(), "10000");
    }
}
