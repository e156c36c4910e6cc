//! The FUSE mount and the thread that reads its requests.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fuser::{Config, Session, SessionACL};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::runtime::Handle;

use super::error::{Explain, FuseLoopError};
use super::filesystem::VolumeFile;
use crate::frontend::BlockDevice;
use crate::sys::io_flusher;

/// The loop driver lets go of the file a moment after it reports so.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(5);
const UNMOUNT_POLL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct FuseSession {
    directory: PathBuf,
    thread: JoinHandle<io::Result<()>>,
}

impl FuseSession {
    /// Mounts the one-file file system at `directory` and serves it. Blocks until the kernel has answered.
    ///
    /// Mounted with mount(2) itself: the process is root, and no helper program has to exist in the container.
    pub(super) fn start<D: BlockDevice>(
        device: Arc<D>,
        volume: &str,
        directory: &Path,
        runtime: Handle,
    ) -> Result<Self, FuseLoopError> {
        let fuse = File::options().read(true).write(true).open("/dev/fuse").explain(
            || "open /dev/fuse".into(),
            "load the FUSE driver with `modprobe fuse` and run the engine as root",
        )?;
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,default_permissions", fuse.as_raw_fd());
        let source = format!("aurochs:{volume}");
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        mount(Some(source.as_str()), directory, Some("fuse.aurochs"), flags, Some(options.as_str())).explain(
            || format!("mount a FUSE file system at {}", directory.display()),
            "the engine needs CAP_SYS_ADMIN",
        )?;
        let file = VolumeFile::new(device, OsString::from(volume), runtime);
        Self::serve(file, fuse.into(), directory).inspect_err(|_| {
            let _ = umount2(directory, MntFlags::MNT_DETACH);
        })
    }

    fn serve<D: BlockDevice>(file: VolumeFile<D>, fuse: OwnedFd, directory: &Path) -> Result<Self, FuseLoopError> {
        let session = Session::from_fd(file, fuse, SessionACL::Owner, Config::default())
            .explain(|| "greet the kernel's FUSE".into(), "FUSE of Linux 4.20 or newer is needed")?;
        let thread = std::thread::Builder::new()
            .name("fuse-session".into())
            .spawn(move || {
                if let Err(error) = io_flusher::mark_this_thread() {
                    tracing::warn!(%error, "the FUSE thread may be asked to write out its own clients' memory");
                }
                session.run()
            })
            .explain(|| "start the FUSE thread".into(), "check the process limits")?;
        Ok(Self { directory: directory.to_owned(), thread })
    }

    /// Unmounts and waits for the thread's end. On failure the session goes on.
    pub(super) fn stop(self) -> Result<(), (Self, FuseLoopError)> {
        if let Err(error) = unmount(&self.directory) {
            return Err((self, error));
        }
        match self.thread.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the FUSE session ended with an error"),
            Err(_) => tracing::error!("the FUSE thread panicked"),
        }
        Ok(())
    }

    /// Takes the mount out of sight; the thread serves whoever still holds the file, and ends after them.
    pub(super) fn detach(self) {
        detach_mount(&self.directory);
    }
}

/// Takes the topmost mount at `directory` out of sight, used or not.
pub(super) fn detach_mount(directory: &Path) {
    if let Err(error) = umount2(directory, MntFlags::MNT_DETACH) {
        tracing::warn!(directory = %directory.display(), %error, "a FUSE mount could not be detached");
    }
}

fn unmount(directory: &Path) -> Result<(), FuseLoopError> {
    let deadline = Instant::now() + UNMOUNT_PATIENCE;
    loop {
        match umount2(directory, MntFlags::UMOUNT_NOFOLLOW) {
            // Not mounted: somebody was faster.
            Ok(()) | Err(Errno::EINVAL) => return Ok(()),
            Err(Errno::EBUSY) if Instant::now() < deadline => std::thread::sleep(UNMOUNT_POLL),
            Err(error) => {
                return Err(error).explain(
                    || format!("unmount {}", directory.display()),
                    "close what uses the file there (`fuser -m`), then detach again",
                );
            }
        }
    }
}
