//! Mounting a share, once for all processes of this machine that use it.
//!
//! A mount that is there already is used when it is of the right share and answers. One that is of something else or
//! does not answer is taken away, lazily so that a dead server can't stop that, and made again. An flock keeps two
//! processes from mounting at the same time. Mounts stay when a process ends: the next one finds them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::answer::Failure;
use super::blocking::Blocking;
use super::credentials::Credentials;
use super::fault::{ErrorKind, StoreError};
use super::objects::explained;
use super::share::{Kind, Mount, Share, mounts_at};

/// For one run of mount(8), as Longhorn has it, and for a mounted share to answer.
const MOUNT_TIMEOUT: Duration = Duration::from_secs(5);
/// For mount(8) to end after its helper was killed.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Others that hold the lock mount too: three versions, and what they clean up before.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);
const LOCK_POLL: Duration = Duration::from_millis(100);
/// How many mounts on top of each other are taken away.
const DEEPEST: usize = 16;

/// Where `share` is mounted, after it was made sure that it is.
pub(crate) async fn mounted(share: &Share, credentials: &Credentials, mounts: &Path) -> Result<PathBuf, StoreError> {
    let device = share.device();
    let place = share.mount_point(mounts);
    let fail = |failure: &Failure| explained("mount", &device, failure);
    let io = |error: &io::Error| StoreError::io("mount", format!("{device} at {}", place.display()), error);
    let _lock = locked(mounts).await.map_err(|error| io(&error))?;
    for _ in 0..DEEPEST {
        let found = mounts_at(&place, &fs::read_to_string("/proc/self/mountinfo").map_err(|error| io(&error))?);
        let Some(uppermost) = found.last() else { break };
        if share.is(uppermost) && answers(uppermost).await {
            return Ok(place);
        }
        tracing::warn!(place = %place.display(), device = uppermost.device, "taking away a mount that is wrong or does not answer");
        unmount(&place).await.map_err(|failure| fail(&failure))?;
    }
    // On a thread that may be lost: a share may be mounted above.
    let directory = place.clone();
    let make = move || {
        fs::create_dir_all(&directory).map_err(|error| StoreError::io("mount", directory.display().to_string(), &error))
    };
    Blocking::once(MOUNT_TIMEOUT, &share.who()).run("mount", &device, make).await?;
    mount(share, credentials, &place).await.map_err(|failure| fail(&failure))?;
    Ok(place)
}

/// Takes away the mount of `share`, when its target is gone.
pub(crate) async fn unmounted(share: &Share, mounts: &Path) -> Result<(), StoreError> {
    let place = share.mount_point(mounts);
    let io = |error: &io::Error| StoreError::io("unmount", place.display().to_string(), error);
    let _lock = locked(mounts).await.map_err(|error| io(&error))?;
    let found = mounts_at(&place, &fs::read_to_string("/proc/self/mountinfo").map_err(|error| io(&error))?);
    if found.last().is_some_and(|uppermost| share.is(uppermost)) {
        unmount(&place).await.map_err(|failure| explained("unmount", &place.display().to_string(), &failure))?;
    }
    Ok(())
}

async fn mount(share: &Share, credentials: &Credentials, place: &Path) -> Result<(), Failure> {
    let mut last = share.no_answer();
    for options in share.options() {
        let mut command = Command::new("mount");
        command.args(["-t", share.kind.type_name(), "-o", &options, "--"]).arg(share.device()).arg(place);
        if share.kind == Kind::Cifs {
            // Not among the options: everybody sees those.
            command.env("USER", credentials.get("CIFS_USERNAME").unwrap_or_default());
            command.env("PASSWD", credentials.get("CIFS_PASSWORD").unwrap_or_default());
        }
        match run(command).await {
            Ok(()) => return Ok(()),
            Err(Unsuccessful::NoAnswer) => return Err(share.no_answer()),
            Err(Unsuccessful::NotStarted(error)) => {
                let why = format!("mount(8) can't be run: {error}");
                return Err(Failure::new(ErrorKind::Mount, why).with_next_step("install util-linux on this machine"));
            }
            Err(Unsuccessful::Refused(words)) => {
                last = share.explain(&credentials.redact(&words), has_helper(share.kind));
            }
        }
        // Another version does not help against these.
        if matches!(last.kind, ErrorKind::Unreachable | ErrorKind::Timeout) {
            break;
        }
    }
    Err(last)
}

async fn unmount(place: &Path) -> Result<(), Failure> {
    let mut command = Command::new("umount");
    command.args(["-l", "--"]).arg(place);
    let why = match run(command).await {
        Ok(()) => return Ok(()),
        Err(Unsuccessful::NoAnswer) => "umount does not end".to_owned(),
        Err(Unsuccessful::NotStarted(error)) => format!("umount(8) can't be run: {error}"),
        Err(Unsuccessful::Refused(words)) => format!("umount says: {}", words.trim()),
    };
    let why = format!("a mount at {} is wrong or does not answer, and can't be taken away: {why}", place.display());
    Err(Failure::new(ErrorKind::Mount, why).with_next_step(format!("run as root: umount -f -l {}", place.display())))
}

enum Unsuccessful {
    NotStarted(io::Error),
    NoAnswer,
    Refused(String),
}

/// Runs a program to its end or for [`MOUNT_TIMEOUT`]. What hangs in the kernel is killed when it comes back.
async fn run(mut command: Command) -> Result<(), Unsuccessful> {
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let child = command.spawn().map_err(Unsuccessful::NotStarted)?;
    let helpers = Helpers(child.id());
    let mut ended = pin!(child.wait_with_output());
    let Ok(output) = timeout(MOUNT_TIMEOUT, &mut ended).await else {
        helpers.kill();
        let _ = timeout(END_TIMEOUT, ended).await;
        helpers.are_gone();
        return Err(Unsuccessful::NoAnswer);
    };
    helpers.are_gone();
    match output {
        Err(error) => Err(Unsuccessful::NotStarted(error)),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let (words, more) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
            Err(Unsuccessful::Refused(format!("{words} {more}")))
        }
    }
}

/// The programs that do the work of mount(8) and umount(8), whose process this names. One for NFS goes on for two minutes
/// where no server is, so killing mount(8) alone would let it mount later, when nobody expects that any more.
struct Helpers(Option<u32>);

impl Helpers {
    fn kill(&self) {
        let Some(process) = self.0 else { return };
        let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap_or_default();
        for helper in children.split_whitespace().filter_map(|number| number.parse().ok()) {
            let _ = signal::kill(Pid::from_raw(helper), Signal::SIGKILL);
        }
    }

    /// The process has ended: its number may be somebody else's.
    fn are_gone(mut self) {
        self.0 = None;
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        self.kill();
    }
}

fn has_helper(kind: Kind) -> bool {
    let name = format!("mount.{}", kind.type_name());
    ["/sbin", "/usr/sbin", "/usr/local/sbin", "/bin", "/usr/bin"]
        .iter()
        .any(|place| Path::new(place).join(&name).exists())
}

async fn answers(mount: &Mount) -> bool {
    let place = mount.place.clone();
    let look = move || {
        let read = fs::read_dir(&place).map(drop);
        read.map_err(|error| StoreError::io("look at", place.display().to_string(), &error))
    };
    Blocking::once(MOUNT_TIMEOUT, &mount.device).run("look at", &mount.device, look).await.is_ok()
}

async fn locked(mounts: &Path) -> io::Result<Flock<File>> {
    fs::create_dir_all(mounts)?;
    let mut file = OpenOptions::new().create(true).truncate(false).write(true).open(mounts.join(".lock"))?;
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((_, error)) if error as i32 != libc::EWOULDBLOCK => return Err(error.into()),
            Err((_, error)) if Instant::now() > end => return Err(error.into()),
            Err((again, _)) => file = again,
        }
        sleep(LOCK_POLL).await;
    }
}
