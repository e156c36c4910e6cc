//! A disk of a test's own: an image file mounted through a loop device, gone when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Scratch;

pub(super) struct Disk {
    mount_point: PathBuf,
    _root: tempfile::TempDir,
}

impl Disk {
    /// `None` where mounting is not allowed.
    pub(super) fn mounted(mkfs: &str, options: &[&str], bytes: u64) -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("not checked: mounting a disk needs root");
            return None;
        }
        let root = Scratch::root();
        let (image, mount_point) = (root.path().join("disk"), root.path().join("mounted"));
        std::fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        std::fs::create_dir(&mount_point).unwrap();
        run(mkfs, options, &[&image]);
        run("mount", &["-o", "loop"], &[&image, &mount_point]);
        Some(Self { mount_point, _root: root })
    }

    pub(super) fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a test that failed may have files open.
        run("umount", &["-l"], &[&self.mount_point]);
    }
}

fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let output = Command::new(program).args(arguments).args(paths).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
