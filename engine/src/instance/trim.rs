//! Trim: the file system on a volume tells the volume what it does not use any more.
//!
//! The kernel does the work (`FITRIM`): it discards every free range, and the engine punches these holes into the
//! replicas' files. That may take minutes and can't be called off, so each trim has a thread of its own, which goes on when
//! nobody waits for it any more; a second one of the same volume is refused meanwhile.
//!
//! Invariant: a file system is trimmed only if it is on the volume's device, or on one above that: what was opened carries that
//! device's number, whatever was mounted over the path since it was found.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;

use crate::frontend::{self, OpenMount};
use crate::sys;

/// Why a file system could not be trimmed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    #[error(
        "the volume is not mounted on this node, so there is no file system to trim; mount {}, then try again",
        device.display()
    )]
    NotMounted { device: PathBuf },
    #[error("the file system on {} can't be reached: other mounts hide it; unmount these, then try again", device.display())]
    Hidden { device: PathBuf },
    #[error("a trim of volume {volume} is running already; try again when it is over")]
    Running { volume: String },
    #[error("the file system at {} does not support a trim", mount.display())]
    Unsupported { mount: PathBuf },
    #[error("the file system at {} is mounted read-only; mount it writable, then try again", mount.display())]
    ReadOnly { mount: PathBuf },
    #[error("could not trim the file system at {}: {source}; look into the kernel's log (dmesg)", mount.display())]
    Failed { mount: PathBuf, source: std::io::Error },
    #[error("could not start a thread for the trim: {0}; check the process limits")]
    Thread(std::io::Error),
    #[error("the trim ended unexpectedly; look into this instance manager's log")]
    Ended,
}

/// A trim that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimmed {
    /// As the kernel counts them: what was free already may be among them.
    pub bytes: u64,
    pub mount: PathBuf,
}

/// The trims of a node. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Trims {
    /// Volumes that are being trimmed.
    running: Arc<Mutex<BTreeSet<String>>>,
}

impl Trims {
    /// Trims the file system on the block device at `device`, wherever it is mounted.
    pub async fn trim(&self, volume: &str, device: &Path) -> Result<Trimmed, TrimError> {
        let claim = self.claim(volume)?;
        let device = device.to_owned();
        let (done, answer) = tokio::sync::oneshot::channel();
        let work = move || {
            let trimmed = trim(&device);
            match &trimmed {
                Ok(Trimmed { bytes, mount }) => {
                    tracing::info!(device = %device.display(), mount = %mount.display(), bytes, "trimmed a file system");
                }
                Err(error) => tracing::warn!(device = %device.display(), %error, "a file system was not trimmed"),
            }
            // Before the answer: who has it may ask for the next trim at once.
            drop(claim);
            let _ = done.send(trimmed);
        };
        std::thread::Builder::new().name("trim".into()).spawn(work).map_err(TrimError::Thread)?;
        answer.await.unwrap_or(Err(TrimError::Ended))
    }

    fn claim(&self, volume: &str) -> Result<Claim, TrimError> {
        if self.lock().insert(volume.to_owned()) {
            Ok(Claim { trims: self.clone(), volume: volume.to_owned() })
        } else {
            Err(TrimError::Running { volume: volume.to_owned() })
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One running trim; dropping it lets the next one of the volume in.
#[derive(Debug)]
struct Claim {
    trims: Trims,
    volume: String,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.trims.lock().remove(&self.volume);
    }
}

fn trim(device: &Path) -> Result<Trimmed, TrimError> {
    let (mount, inside) = match frontend::open_mount(device) {
        OpenMount::Open { mount, inside } => (mount, inside),
        OpenMount::Hidden => return Err(TrimError::Hidden { device: device.to_owned() }),
        OpenMount::NotMounted => return Err(TrimError::NotMounted { device: device.to_owned() }),
    };
    match sys::trim::trim(&inside) {
        Ok(bytes) => Ok(Trimmed { bytes, mount }),
        Err(Errno::EOPNOTSUPP | Errno::ENOTTY) => Err(TrimError::Unsupported { mount }),
        Err(Errno::EROFS) => Err(TrimError::ReadOnly { mount }),
        Err(errno) => Err(TrimError::Failed { mount, source: errno.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_mounted_is_told_so_and_the_next_trim_may_come() {
        let place = tempfile::tempdir().unwrap();
        let device = place.path().join("volume");
        let trims = Trims::default();
        for _ in 0..2 {
            let error = trims.trim("volume", &device).await.unwrap_err();
            assert!(matches!(error, TrimError::NotMounted { .. }), "{error}");
        }
    }

    #[test]
    fn a_volume_is_trimmed_once_at_a_time() {
        let trims = Trims::default();
        let first = trims.claim("a").unwrap();
        assert!(matches!(trims.claim("a"), Err(TrimError::Running { .. })));
        let other = trims.claim("b").unwrap();
        drop((first, other));
        trims.claim("a").unwrap();
    }
}
