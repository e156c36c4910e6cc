//! The directory that a run lives in, and nothing of it afterwards: no process, mount, loop device or file.
//!
//! A run that was killed leaves all of these. Its directory holds a lock that nobody has any more, and names what
//! belongs to it: processes have the directory in their arguments, mounts and loop devices below it.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::settings::Settings;

const PREFIX: &str = "aurochs-bench-";
const LOCK: &str = "lock";
/// How long the kernel may take to end a killed process.
const DEATH_PATIENCE: Duration = Duration::from_secs(10);

pub(crate) struct Workplace {
    directory: PathBuf,
    _lock: File,
}

impl Workplace {
    pub(crate) fn make(settings: &Settings) -> Self {
        clean_what_others_left(&settings.directory);
        let directory = settings.directory.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let lock = File::create(directory.join(LOCK)).unwrap();
        lock.try_lock().unwrap();
        Self { directory, _lock: lock }
    }

    /// A path below the directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A new directory below it.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        clean(&self.directory);
    }
}

fn clean_what_others_left(parent: &Path) {
    for entry in fs::read_dir(parent).unwrap().flatten() {
        let directory = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(directory.join(LOCK)) else { continue };
        if lock.try_lock().is_ok() {
            eprintln!("removing what an earlier run left in {}", directory.display());
            clean(&directory);
        }
    }
}

fn clean(directory: &Path) {
    kill_processes(directory);
    // A loop device forgets the path of its file when the file system below it goes.
    let devices = loop_devices(directory);
    for mount in mounts(directory).iter().rev() {
        let _ = Command::new("umount").arg("--lazy").arg(mount).status();
    }
    for device in devices {
        let _ = Command::new("losetup").arg("--detach").arg(device).stderr(std::process::Stdio::null()).status();
    }
    if let Err(error) = fs::remove_dir_all(directory) {
        eprintln!("{} could not be removed: {error}", directory.display());
    }
}

fn kill_processes(directory: &Path) {
    let mine = processes(directory);
    for pid in &mine {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    let begin = Instant::now();
    while processes(directory).iter().any(|pid| mine.contains(pid)) && begin.elapsed() < DEATH_PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Processes with the directory in their arguments, this one excepted. A zombie has none.
fn processes(directory: &Path) -> Vec<i32> {
    let wanted = directory.as_os_str().as_bytes();
    let holds = |arguments: Vec<u8>| arguments.windows(wanted.len()).any(|part| part == wanted);
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| *pid != std::process::id() as i32)
        .filter(|pid| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(holds))
        .collect()
}

/// Mount points below the directory, in the order in which they were mounted.
fn mounts(directory: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    points.filter(|point| point.starts_with(directory)).collect()
}

fn loop_devices(directory: &Path) -> Vec<String> {
    let list = Command::new("losetup").args(["--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE"]).output();
    let text = String::from_utf8_lossy(&list.expect("losetup").stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.filter(|(_, file)| Path::new(file).starts_with(directory)).map(|(name, _)| name.to_owned()).collect()
}
