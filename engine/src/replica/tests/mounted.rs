//! A disk of a test's own: an image file mounted through a loop device, unmounted when the value is dropped.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Scratch;

pub(super) struct Disk {
    pub(super) image: PathBuf,
    mount_point: PathBuf,
    /// What goes with the disk.
    root: Option<tempfile::TempDir>,
}

impl Disk {
    /// `None` where mounting is not allowed.
    pub(super) fn mounted(mkfs: &str, options: &[&str], bytes: u64) -> Option<Self> {
        if !nix::unistd::Uid::effective().is_root() {
            eprintln!("not checked: mounting a disk needs root");
            return None;
        }
        let root = Scratch::root();
        let mut disk = Self::made_in(root.path(), mkfs, options, bytes);
        disk.root = Some(root);
        Some(disk)
    }

    /// In a directory that stays.
    pub(super) fn made_in(place: &Path, mkfs: &str, options: &[&str], bytes: u64) -> Self {
        let image = place.join("disk");
        std::fs::File::create(&image).unwrap().set_len(bytes).unwrap();
        run(mkfs, options, &[&image]);
        Self::of_image(&image, "loop")
    }

    /// Mounts an image beside itself.
    pub(super) fn of_image(image: &Path, options: &str) -> Self {
        let mount_point = image.with_extension("mounted");
        std::fs::create_dir(&mount_point).unwrap();
        run("mount", &["-o", options], &[image, &mount_point]);
        Self { image: image.to_path_buf(), mount_point, root: None }
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

pub(super) fn run(program: &str, arguments: &[&str], paths: &[&Path]) {
    let output = Command::new(program).args(arguments).args(paths).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}
