//! The FUSE mount and the task that serves it.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::filesystem::VolumeFile;
use super::server::{MAX_REQUEST_BYTES, Server};
use crate::frontend::BlockDevice;
use crate::frontend::block_error::{BlockError, Explain};

/// The loop driver lets go of the file a moment after it reports so.
const UNMOUNT_PATIENCE: Duration = Duration::from_secs(5);
const UNMOUNT_POLL: Duration = Duration::from_millis(10);
/// The server of an unmounted file system ends at once, unless the mount was copied to another namespace: then the file
/// system is there until that ends.
const END_PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct FuseSession {
    directory: PathBuf,
    runtime: Handle,
    server: ServerTask,
}

#[derive(Debug)]
struct ServerTask {
    task: JoinHandle<io::Result<()>>,
    /// Nothing is ever sent: it is disconnected when the task has ended.
    ended: Mutex<mpsc::Receiver<Infallible>>,
    may_end: Arc<AtomicBool>,
}

impl FuseSession {
    /// Mounts the one-file file system at `directory` and serves it on `runtime`. Blocks until the kernel has answered,
    /// so it is not for threads of the runtime.
    ///
    /// Mounted with mount(2) itself: the process is root, and no helper program has to exist in the container.
    pub(super) fn start<D: BlockDevice>(
        device: Arc<D>,
        volume: &str,
        directory: &Path,
        runtime: Handle,
    ) -> Result<Self, BlockError> {
        let kernel = File::options().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/fuse").explain(
            || "open /dev/fuse".into(),
            "load the FUSE driver with `modprobe fuse` and run the engine as root",
        )?;
        // Without `max_read` reads are as long as the kernel's pages allow: on those of 64 KiB, longer than what is served.
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0,default_permissions,max_read={MAX_REQUEST_BYTES}",
            kernel.as_raw_fd()
        );
        let source = format!("aurochs:{volume}");
        let flags = MsFlags::MS_NODEV | MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC | MsFlags::MS_NOATIME;
        mount(Some(source.as_str()), directory, Some("fuse.aurochs"), flags, Some(options.as_str())).explain(
            || format!("mount a FUSE file system at {}", directory.display()),
            "the engine needs CAP_SYS_ADMIN",
        )?;
        let server = serve(kernel, VolumeFile::new(device, volume), &runtime).inspect_err(|_| {
            let _ = umount2(directory, MntFlags::MNT_DETACH);
        })?;
        Ok(Self { directory: directory.to_owned(), runtime, server })
    }

    /// Unmounts and waits for the server's end; where others keep the file system, it is served on in the background, as
    /// after [`detach`](Self::detach). On failure the session goes on.
    pub(super) fn stop(self) -> Result<(), (Box<Self>, BlockError)> {
        self.server.may_end.store(true, Ordering::SeqCst);
        if let Err(error) = unmount(&self.directory) {
            self.server.may_end.store(false, Ordering::SeqCst);
            return Err((Box::new(self), error));
        }
        let ended = self.server.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(END_PATIENCE);
        if ended == Err(mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!(
                directory = %self.directory.display(),
                "the FUSE file system is unmounted here and still there in another mount namespace (a container that was \
                 started meanwhile); it goes when that ends"
            );
            return Ok(());
        }
        match self.runtime.block_on(self.server.task) {
            Ok(Err(error)) => tracing::warn!(%error, "the FUSE session ended with an error"),
            Err(error) if error.is_panic() => tracing::error!("the FUSE session panicked"),
            // Ended, or cancelled with the runtime.
            Ok(Ok(())) | Err(_) => {}
        }
        Ok(())
    }

    /// Takes the mount out of sight; whoever still holds the file is served on, and the server ends after them.
    pub(super) fn detach(self) {
        self.server.may_end.store(true, Ordering::SeqCst);
        detach_mount(&self.directory);
    }
}

fn serve<D: BlockDevice>(kernel: File, file: VolumeFile<D>, runtime: &Handle) -> Result<ServerTask, BlockError> {
    let _inside = runtime.enter();
    let greeted = Server::new(kernel, file).and_then(|mut server| {
        runtime.block_on(server.greet())?;
        Ok(server)
    });
    let server = greeted.explain(|| "agree with the kernel's FUSE".into(), "FUSE of Linux 4.20 or newer is needed")?;
    let (running, ended) = mpsc::channel();
    let may_end = Arc::new(AtomicBool::new(false));
    let end = ServerEnd { device: server.device(), may_end: Arc::clone(&may_end), reason: None };
    let task = runtime.spawn(async move {
        let _running = running;
        report(server, end).await
    });
    Ok(ServerTask { task, ended: Mutex::new(ended), may_end })
}

/// A server that ends takes the device with it: its users get errors, which has to have a reason that can be read.
async fn report<D: BlockDevice>(server: Server<D>, mut end: ServerEnd<D>) -> io::Result<()> {
    let served = server.serve().await;
    end.reason = Some(served.as_ref().err().map_or_else(|| "the kernel has ended it".into(), ToString::to_string));
    served.inspect_err(|error| tracing::error!(%error, "the FUSE session broke off"))
}

/// Dropped when the server has ended, also by a panic.
struct ServerEnd<D: BlockDevice> {
    device: Arc<D>,
    /// The session is being stopped.
    may_end: Arc<AtomicBool>,
    reason: Option<String>,
}

impl<D: BlockDevice> Drop for ServerEnd<D> {
    fn drop(&mut self) {
        if !self.may_end.load(Ordering::SeqCst) {
            let reason = self.reason.as_deref().unwrap_or("it failed inside, see the engine's log");
            self.device.frontend_broke(&format!("the FUSE session behind the block device has ended: {reason}"));
        }
    }
}

/// Takes the topmost mount at `directory` out of sight, used or not.
pub(super) fn detach_mount(directory: &Path) {
    if let Err(error) = umount2(directory, MntFlags::MNT_DETACH) {
        tracing::warn!(directory = %directory.display(), %error, "a FUSE mount could not be detached");
    }
}

fn unmount(directory: &Path) -> Result<(), BlockError> {
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
