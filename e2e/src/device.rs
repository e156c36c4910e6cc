//! File systems on volumes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A mounted file system; dropping it unmounts.
#[derive(Debug)]
pub struct Mounted {
    pub path: PathBuf,
}

/// Runs a tool to its end and expects success.
#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output: Output = Command::new(program).args(arguments).output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}", output.status);
    text
}

#[expect(clippy::missing_panics_doc, reason = "a test fixture fails by panicking")]
impl Mounted {
    /// Makes an ext4 file system on `device` and mounts it.
    #[must_use]
    pub fn format(device: &str, at: &Path) -> Self {
        run("mkfs.ext4", &["-q", "-F", device]);
        Self::mount(device, at)
    }

    #[must_use]
    pub fn mount(device: &str, at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        run("mount", &[device, &at.display().to_string()]);
        Self { path: at.to_owned() }
    }

    pub fn sync(&self) {
        run("sync", &["-f", &self.path.display().to_string()]);
    }

    /// What is read next comes from the volume and not from memory.
    pub fn forget_cache(&self) {
        self.sync();
        std::fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
    }

    pub fn unmount(self) {
        run("umount", &[&self.path.display().to_string()]);
        std::mem::forget(self);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: after a failed test the device may be dead.
        let _ = Command::new("umount").arg("-l").arg(&self.path).output();
    }
}
