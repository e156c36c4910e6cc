//! Drivers of the kernel that a test loads for itself. While one is loaded, engines prefer it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::wait_for;

/// A loaded driver; unloaded in any case.
pub(crate) struct Driver(&'static str);

impl Driver {
    pub(crate) fn load(name: &'static str) -> Self {
        let status = Command::new("modprobe").arg(name).status().unwrap();
        assert!(status.success(), "modprobe {name}");
        Self(name)
    }

    /// Fails if anything goes on using it: then a device was left behind.
    pub(crate) async fn unload(self) {
        let unloaded = || Command::new("modprobe").args(["-rq", self.0]).status().unwrap().success().then_some(());
        // A device that was mounted is closed by the kernel in its own time.
        wait_for(&format!("the end of all that uses {}", self.0), unloaded).await;
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = Command::new("modprobe").args(["-rq", self.0]).status();
    }
}

/// What sysfs has of the block device at `node`; the same directory means the same device.
pub(crate) fn sysfs(node: &Path) -> PathBuf {
    use std::os::unix::fs::MetadataExt;
    let number = std::fs::metadata(node).unwrap().rdev();
    let link = format!("/sys/dev/block/{}:{}", nix::sys::stat::major(number), nix::sys::stat::minor(number));
    std::fs::canonicalize(link).unwrap()
}

/// One of the device's attributes, such as `queue/max_sectors_kb`.
pub(crate) fn attribute(node: &Path, name: &str) -> String {
    std::fs::read_to_string(sysfs(node).join(name)).unwrap().trim().to_owned()
}
