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

    /// The device that is attached under this identifier.
    pub(super) fn attached_as(&self, identifier: &str) -> Option<u32> {
        let names = std::fs::read_dir(&self.0).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let indices = names.filter_map(|name| name.strip_prefix("nbd")?.parse().ok());
        let is_it = |index: &u32| {
            let backend = std::fs::read_to_string(self.device(*index).join("backend"));
            self.is_attached(*index) && backend.is_ok_and(|text| text.trim_end() == identifier)
        };
        indices.filter(is_it).min()
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
    fn a_device_is_found_by_its_identifier_while_it_is_attached() {
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
        assert_eq!(sysfs.attached_as("aurochs:vol"), None, "no process: it is not attached any more");
        put("nbd12/pid", "4711\n");
        assert_eq!(sysfs.attached_as("aurochs:vol"), Some(12));
        assert!(!sysfs.is_attached(0));
        assert_eq!(sysfs.number(0).unwrap().trim(), "43:0");
        sysfs.set_largest_request(12, 1024).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("nbd12/queue/max_sectors_kb")).unwrap(), "1024");
        sysfs.set_look_interval(12, Duration::from_secs(10)).unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("nbd12/queue/io_timeout")).unwrap(), "10000");
    }
}
