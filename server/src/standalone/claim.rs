//! Only one manager works on a data directory: a locked file that also says which process it is.
//!
//! The lock goes with the process, however it ends. The process's start time stands beside its id, so that a later
//! process with the same id is never taken for the manager.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Layout;

#[derive(Debug, thiserror::Error)]
pub enum ClaimError {
    #[error("another manager already works on {data}{pid}; stop it first (aurochs stop --data {data}), or use it")]
    Taken { data: String, pid: String },
    #[error("can't use the file {path} that marks the running manager: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("can't tell manager process {pid} to end: {source}")]
    Signal { pid: i32, source: Errno },
}

/// The hold on a data directory, for as long as it lives.
pub(super) struct Claim {
    _lock: Flock<File>,
}

impl Claim {
    pub(super) fn take(layout: &Layout) -> Result<Self, ClaimError> {
        let mut lock = match try_lock(layout)? {
            Ok(lock) => lock,
            Err(_) => {
                let data = layout.data.display().to_string();
                let pid = holder(layout).map(|pid| format!(" (process {pid})")).unwrap_or_default();
                return Err(ClaimError::Taken { data, pid });
            }
        };
        let own = std::process::id();
        let start = start_time(own).unwrap_or_default();
        let written = lock.set_len(0).and_then(|()| writeln!(lock, "{own} {start}")).and_then(|()| lock.flush());
        written.map_err(|source| ClaimError::Io { path: layout.pid_file(), source })?;
        Ok(Self { _lock: lock })
    }
}

/// The manager that holds the data directory, if one does and it can be named for sure.
fn holder(layout: &Layout) -> Option<i32> {
    let text = fs::read_to_string(layout.pid_file()).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let pid: i32 = pid.parse().ok()?;
    (start_time(pid.cast_unsigned())? == start).then_some(pid)
}

/// Tells a running manager to end. True if there was one.
pub(super) fn tell_to_end(layout: &Layout) -> Result<bool, ClaimError> {
    if try_lock(layout)?.is_ok() {
        return Ok(false);
    }
    let Some(pid) = holder(layout) else { return Ok(false) };
    match kill(Pid::from_raw(pid), Signal::SIGTERM) {
        Ok(()) => Ok(true),
        Err(Errno::ESRCH) => Ok(false),
        Err(source) => Err(ClaimError::Signal { pid, source }),
    }
}

/// Whether no manager holds the data directory.
pub(super) fn is_free(layout: &Layout) -> Result<bool, ClaimError> {
    Ok(try_lock(layout)?.is_ok())
}

fn try_lock(layout: &Layout) -> Result<Result<Flock<File>, ()>, ClaimError> {
    let path = layout.pid_file();
    let opened = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
    let file = opened.map_err(|source| ClaimError::Io { path: path.clone(), source })?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Ok(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(Err(())),
        Err((_, errno)) => Err(ClaimError::Io { path, source: errno.into() }),
    }
}

/// A process, told from a later one of the same id.
pub(super) struct Process {
    pid: u32,
    start: Option<String>,
}

/// Longest wait for a process that has already said it would end.
const END_PATIENCE: Duration = Duration::from_secs(10);

impl Process {
    pub(super) fn of(pid: u32) -> Self {
        Self { pid, start: start_time(pid) }
    }

    /// Asks it to end, and returns when it has, or when patience has.
    pub(super) async fn end(&self) {
        let pid = i32::try_from(self.pid).map(Pid::from_raw);
        if let Err(errno) = pid.map_or(Err(Errno::ESRCH), |pid| kill(pid, Signal::SIGTERM)) {
            tracing::warn!(pid = self.pid, %errno, "a process can't be asked to end");
        }
        self.wait_for_end().await;
    }

    /// Returns when it has ended, or when patience has.
    pub(super) async fn wait_for_end(&self) {
        let ended = async {
            while self.start.is_some() && start_time(self.pid) == self.start {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(END_PATIENCE, ended).await.is_err() {
            tracing::warn!(pid = self.pid, "a process said it would end and did not");
        }
    }
}

/// The kernel's word for when a process began: the 22nd field of `/proc/<pid>/stat`. `None` when it has ended, though
/// its parent may not have taken note yet.
fn start_time(pid: u32) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may itself hold spaces and parentheses.
    let (_, after_name) = stat.rsplit_once(") ")?;
    if after_name.starts_with('Z') {
        return None;
    }
    after_name.split(' ').nth(19).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(directory: &tempfile::TempDir) -> Layout {
        Layout::find(directory.path()).unwrap()
    }

    #[test]
    fn a_second_manager_is_refused_and_told_who_is_first() {
        let directory = tempfile::tempdir().unwrap();
        let claim = Claim::take(&layout(&directory)).unwrap();
        let refusal = Claim::take(&layout(&directory)).err().unwrap().to_string();
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        assert!(!is_free(&layout(&directory)).unwrap());
        drop(claim);
        Claim::take(&layout(&directory)).unwrap();
    }

    #[test]
    fn a_process_that_only_has_the_same_id_is_not_the_manager() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(layout(&directory).pid_file(), format!("{} 1\n", std::process::id())).unwrap();
        assert_eq!(holder(&layout(&directory)), None);
        assert!(!tell_to_end(&layout(&directory)).unwrap());
    }
}
