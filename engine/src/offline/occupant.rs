//! Which processes use a directory, as far as `/proc` tells.
//!
//! Our replicas take an flock on the directory. Longhorn's don't: only their open files give them away. Processes of
//! other users are not seen without root.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::sys::stat::{major, minor};

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Occupant {
    pub pid: u32,
    /// The name of its program; empty where it cannot be seen.
    pub program: String,
}

impl fmt::Display for Occupant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.program.as_str() {
            "" => write!(formatter, "process {}", self.pid),
            program => write!(formatter, "process {} ({program})", self.pid),
        }
    }
}

impl Occupant {
    fn of(pid: u32) -> Self {
        let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        Self { pid, program: program.trim().to_owned() }
    }
}

/// A file that another process may change while it is read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    pub occupant: Occupant,
    /// Its name in the directory.
    pub file: String,
}

/// Who holds the lock on `directory`.
#[must_use]
pub fn lock_holder(directory: &Path) -> Option<Occupant> {
    let facts = fs::metadata(directory).ok()?;
    let inode = format!("{:02x}:{:02x}:{}", major(facts.dev()), minor(facts.dev()), facts.ino());
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| holder_in(line, &inode)).map(Occupant::of)
}

/// `2: FLOCK  ADVISORY  WRITE 4711 fe:01:131073 0 EOF`. Those that wait have `->` after the number. A holder outside
/// this container's processes has the number 0.
fn holder_in(line: &str, inode: &str) -> Option<u32> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    match fields[..] {
        [_, "FLOCK", _, "WRITE", pid, place, ..] if place == inode => pid.parse().ok().filter(|&pid| pid > 0),
        _ => None,
    }
}

/// Other processes that have files right in `directory` open for writing.
#[must_use]
pub fn writers(directory: &Path) -> Vec<Writer> {
    let Ok(directory) = fs::canonicalize(directory) else { return Vec::new() };
    let own = std::process::id();
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some(pid) = pid.filter(|&pid| pid != own) {
            let files = written_by(&entry.path(), &directory);
            found.extend(files.into_iter().map(|file| Writer { occupant: Occupant::of(pid), file }));
        }
    }
    found
}

/// Files that the process at `process` has open for writing; a process that ends meanwhile has none.
fn written_by(process: &Path, directory: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for descriptor in fs::read_dir(process.join("fd")).into_iter().flatten().flatten() {
        let Ok(target) = fs::read_link(descriptor.path()) else { continue };
        if target.parent() != Some(directory)
            || !opened_for_writing(&process.join("fdinfo").join(descriptor.file_name()))
        {
            continue;
        }
        files.extend(target.file_name().map(|name| name.to_string_lossy().into_owned()));
    }
    files.sort();
    files.dedup();
    files
}

/// `fdinfo` has a line `flags:\t0100002`, in octal.
fn opened_for_writing(fdinfo: &PathBuf) -> bool {
    let text = fs::read_to_string(fdinfo).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|octal| i32::from_str_radix(octal.trim(), 8).ok()).unwrap_or(libc::O_RDONLY);
    flags & libc::O_ACCMODE != libc::O_RDONLY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_of_this_lock_is_named() {
        let line = "2: FLOCK  ADVISORY  WRITE 4711 fe:01:131073 0 EOF";
        assert_eq!(holder_in(line, "fe:01:131073"), Some(4711));
        assert_eq!(holder_in(line, "fe:01:13107"), None);
        for other in [
            "2: -> FLOCK  ADVISORY  WRITE 4711 fe:01:131073 0 EOF",
            "2: POSIX  ADVISORY  WRITE 4711 fe:01:131073 0 EOF",
            "2: FLOCK  ADVISORY  WRITE 0 fe:01:131073 0 EOF",
            "",
        ] {
            assert_eq!(holder_in(other, "fe:01:131073"), None, "{other}");
        }
    }

    #[test]
    fn a_file_open_for_writing_in_another_process_is_found() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let file = dir.path().join("volume-head-000.img");
        // A shell that has the file open, and ends with its standard input.
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "exec 9<>\"$0\"; echo ready; read line", file.to_str().unwrap()])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(shell.stdout.as_mut().unwrap(), &mut [0; 6]).unwrap();
        let found = writers(dir.path());
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((found[0].occupant.pid, found[0].file.as_str()), (shell.id(), "volume-head-000.img"));
        assert_eq!(writers(dir.path()), []);
    }
}
