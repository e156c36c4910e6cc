//! Parting a block device from the kernel: nobody else has it, and what the kernel has in memory is written out.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::libc;

use super::block_error::{BlockError, Explain};
use super::node::DeviceNumber;
use super::{fuse_loop, node};
use crate::sys::block_device::flush_buffers;

/// So long may short-lived openers (udev looking at the device) hold up a detach before it counts as in use.
const OPENERS_PATIENCE: Duration = Duration::from_secs(3);
/// Nothing tells when a process closes a device; this often it is looked at.
const OPENERS_POLL: Duration = Duration::from_millis(20);
/// For gigabytes in the kernel's memory on a busy volume. Past that the volume counts as one that does not answer.
const WRITE_OUT_PATIENCE: Duration = Duration::from_secs(120);
/// The same for whoever forces the detach.
const FORCED_PATIENCE: Duration = Duration::from_secs(10);

/// Takes the device at `path` for ourselves and writes out what the kernel has of it. The file is to be kept until the
/// device is gone, so that nobody mounts it meanwhile. Blocks.
///
/// # Errors
/// When it is in use, or can't be written out in time. With `force` neither keeps it: it is written out as far as that goes
/// while its users have it, they lose it, and there may be no file.
pub(super) fn hold_and_write_out(
    number: Result<DeviceNumber, BlockError>,
    path: &Path,
    force: bool,
) -> Result<Option<File>, BlockError> {
    let number = match number {
        Ok(number) => number,
        Err(error) if force => {
            tracing::warn!(%error, "the block device is taken away without being written out");
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let held = match hold(number, path) {
        Ok(held) => Some(held),
        Err(error) if force => {
            tracing::warn!(%error, "the block device is taken away from its users");
            None
        }
        Err(error) => return Err(error),
    };
    match write_out(number, path, if force { FORCED_PATIENCE } else { WRITE_OUT_PATIENCE }) {
        Err(error) if !force => return Err(error),
        Err(error) => tracing::warn!(%error, "detached all the same"),
        Ok(()) => {}
    }
    Ok(held)
}

/// Works beside users of the device. On a thread of its own: where the volume does not answer, nothing ends the call before
/// the device is gone.
fn write_out(number: DeviceNumber, path: &Path, patience: Duration) -> Result<(), BlockError> {
    let attempt = || format!("write out what {} has in memory", path.display());
    // Through a node of our own: the published one may have been removed by hand.
    let own_node = fuse_loop::hidden_path(path, ".flush");
    node::create(&own_node, number)?;
    let device = node::open(&own_node).explain(attempt, "check the permissions of the device directory");
    node::remove(&own_node)?;
    let device = device?;
    let (done, answer) = mpsc::channel();
    let work = move || {
        let flushed = flush_buffers(&device).map_err(io::Error::from).and_then(|()| device.sync_all());
        // Whoever asked may have lost patience.
        let _ = done.send(flushed);
    };
    let thread = std::thread::Builder::new().name("write-out".into()).spawn(work);
    thread.explain(attempt, "check the process limits")?;
    let in_time = answer.recv_timeout(patience).unwrap_or_else(|_| {
        let told = format!("the volume has not taken it within {} s", patience.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, told))
    });
    in_time.explain(attempt, "see the engine's log, or force the detach and lose it")
}

/// Opens the device for ourselves alone.
fn hold(number: DeviceNumber, path: &Path) -> Result<File, BlockError> {
    let in_use = || BlockError::InUse { path: path.to_owned(), users: fuse_loop::users_of(number, path) };
    let deadline = Instant::now() + OPENERS_PATIENCE;
    while !node::openers(number, path).is_empty() {
        if Instant::now() > deadline {
            return Err(in_use());
        }
        std::thread::sleep(OPENERS_POLL);
    }
    match File::options().read(true).write(true).custom_flags(libc::O_EXCL).open(path) {
        Err(error) if error.raw_os_error() == Some(libc::EBUSY) => Err(in_use()),
        other => other.explain(|| format!("open {}", path.display()), "check the device node"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::fs::MetadataExt;
    use std::path::PathBuf;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A device that is given back in any case, after its user.
    struct Device {
        attached: PathBuf,
        user: Option<Child>,
    }

    impl Drop for Device {
        fn drop(&mut self) {
            if let Some(user) = &mut self.user {
                drop(user.stdin.take());
                let _ = user.wait();
            }
            let _ = Command::new("losetup").arg("-d").arg(&self.attached).status();
        }
    }

    #[test]
    fn a_device_in_use_is_written_out_before_it_is_taken_away_by_force() {
        let directory = tempfile::tempdir_in("/var/tmp").unwrap();
        let backing = directory.path().join("backing");
        File::create(&backing).unwrap().set_len(1 << 20).unwrap();
        let attached = Command::new("losetup").args(["-f", "--show"]).arg(&backing).output().unwrap();
        let attached = PathBuf::from(String::from_utf8(attached.stdout).unwrap().trim());
        let mut device = Device { attached, user: None };
        let number = DeviceNumber::of_raw(std::fs::metadata(&device.attached).unwrap().rdev());
        let path = directory.path().join("vol");
        node::create(&path, number).unwrap();

        let script = format!("exec 3<>{}; printf written >&3; echo done; read", path.display());
        let bash = Command::new("bash").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let user = device.user.insert(bash.unwrap());
        BufReader::new(user.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();

        let refused = hold_and_write_out(Ok(number), &path, false).unwrap_err();
        assert!(matches!(refused, BlockError::InUse { .. }), "{refused}");
        let held = hold_and_write_out(Ok(number), &path, true).unwrap();
        assert!(held.is_none(), "it has a user");
        assert_eq!(&std::fs::read(&backing).unwrap()[..7], b"written");
        let left: Vec<_> =
            std::fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "nothing but the node and what is behind it: {left:?}");
    }
}
