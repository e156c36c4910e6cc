//! Directories of a test, and engines in processes of their own that may be killed.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use aurochs_engine::frontend::fuse_loop::FuseLoopConfig;
use tempfile::TempDir;

use crate::file_device::FileDevice;

pub(crate) const SIZE: u64 = 256 << 20;

/// Directories of one test. On the way out, also by a panic, nothing stays mounted or bound.
pub(crate) struct Place {
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn config(&self) -> FuseLoopConfig {
        FuseLoopConfig { volume: "vol-1".into(), runtime_dir: self.path("run/fuse"), device_dir: self.path("dev") }
    }

    pub(crate) fn device(&self) -> Arc<FileDevice> {
        FileDevice::create(&self.path("image"), SIZE)
    }

    pub(crate) fn node(&self) -> PathBuf {
        self.path("dev/vol-1")
    }

    /// Mount points under the directory, newest first.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        let inside = |point: &&str| Path::new(point).starts_with(self.directory.path());
        table.lines().rev().filter_map(|line| line.split(' ').nth(4)).filter(inside).map(Into::into).collect()
    }

    /// Loop devices over files under the directory.
    pub(crate) fn loops(&self) -> Vec<String> {
        let directory = self.directory.path().to_str().unwrap();
        let devices = std::fs::read_dir("/sys/block").unwrap().filter_map(Result::ok);
        let bound = devices.filter(|device| {
            std::fs::read_to_string(device.path().join("loop/backing_file"))
                .is_ok_and(|backing| backing.starts_with(directory))
        });
        bound.map(|device| format!("/dev/{}", device.file_name().to_str().unwrap())).collect()
    }

    pub(crate) fn assert_clean(&self) {
        assert_eq!(self.mounts(), Vec::<String>::new(), "mounts are left");
        assert_eq!(self.loops(), Vec::<String>::new(), "loop devices are left");
        let nodes: Vec<_> = std::fs::read_dir(self.path("dev")).into_iter().flatten().map(Result::unwrap).collect();
        assert!(nodes.is_empty(), "device nodes are left: {nodes:?}");
    }

    /// The same, where the last user of a device that was taken away has just left it.
    pub(crate) async fn becomes_clean(self) {
        let looked = tokio::task::spawn_blocking(move || {
            while !self.loops().is_empty() {
                std::thread::yield_now();
            }
            self.assert_clean();
        });
        looked.await.unwrap();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for device in self.loops() {
            let _ = Command::new("losetup").args(["-d", &device]).status();
        }
        for mount in self.mounts() {
            let _ = Command::new("umount").args(["-l", &mount]).status();
        }
    }
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Starts an engine in a process of its own and waits until it serves.
pub(crate) fn engine_of_its_own(place: &Place) -> Child {
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "engine_to_be_killed", "--ignored", "--nocapture"])
        .env("AUROCHS_TEST_PLACE", place.directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(engine.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("serving")), "the engine did not start");
    engine
}
