//! Clearing up after an engine that was killed.
//!
//! What a dead engine leaves: a FUSE mount whose every access fails with `ENOTCONN`, a loop device bound to the
//! file in it, and the published node. File systems mounted on that device are lost to their users already (all
//! I/O fails); they keep the old loop device until they are unmounted.

use std::io;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;

use super::loop_device::{self, Detached};
use super::{FuseLoopConfig, mounts, node, session};
use crate::frontend::block_error::{BlockError, Explain};
use crate::frontend::freeze;

/// A living server answers within a moment even on a loaded node.
const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Makes sure that nobody serves the volume here and that nothing of an earlier engine is in the way.
///
/// # Errors
/// When another process does serve it: nothing is touched then.
pub(super) fn clear(config: &FuseLoopConfig) -> Result<(), BlockError> {
    let directory = &config.runtime_dir;
    let attempt = || format!("look at {}", directory.display());
    let mounted = mounts::at(directory).explain(|| "read /proc/self/mountinfo".into(), "mount /proc")?;
    if !mounted.is_empty() {
        match liveness(directory) {
            Liveness::Serving => {
                return Err(BlockError::AlreadyServed { path: directory.clone() });
            }
            Liveness::Silent => {
                return Err(BlockError::Unresponsive { path: directory.clone() });
            }
            Liveness::Dead => {}
            Liveness::Unknown(error) => return Err(error).explain(attempt, "unmount it by hand"),
        }
    }
    let node = config.node();
    for index in loop_device::bound_to(&config.backing_file()) {
        tracing::info!(volume = config.volume, index, "clearing the loop device of an engine that is gone");
        thaw(index);
        if loop_device::clear_leftover(index, &node)? == Detached::WhenLastUserCloses {
            tracing::warn!(
                volume = config.volume,
                index,
                "the old loop device is still mounted or open: its users get I/O errors until they unmount it"
            );
        }
    }
    for mount in mounted {
        tracing::info!(volume = config.volume, source = %mount.source.display(), "unmounting the FUSE mount of an engine that is gone");
        session::detach_mount(directory);
    }
    remove_stale_node(&node)
}

/// The engine may have been killed while it held the file system on its device frozen: whoever waits in there is let
/// go, to get the errors of a dead device.
fn thaw(index: u32) {
    let mounted = loop_device::number_of(index).ok().and_then(mounts::mounted_number);
    if let Some(mounted) = mounted {
        freeze::thaw_leftover(mounted);
    }
}

/// What is at the node's path now was not made by an engine of ours that still counts. A device of somebody else
/// (Longhorn's own, say) that is in use stays.
fn remove_stale_node(node: &Path) -> Result<(), BlockError> {
    if node::is_claimed(node).unwrap_or(false) {
        let users = "it is the device of another engine, and mounted".to_owned();
        return Err(BlockError::InUse { path: node.to_owned(), users });
    }
    node::remove(node)
}

enum Liveness {
    Serving,
    Dead,
    Silent,
    Unknown(io::Error),
}

/// Asks the file system at `directory`, in a thread of its own since a stuck server would hold the asker for ever.
fn liveness(directory: &Path) -> Liveness {
    let (sender, answer) = mpsc::channel();
    let directory = directory.to_owned();
    std::thread::spawn(move || {
        // The receiver may have lost patience.
        let _ = sender.send(std::fs::metadata(&directory));
    });
    match answer.recv_timeout(ANSWER_PATIENCE) {
        Ok(Ok(_)) => Liveness::Serving,
        Ok(Err(error)) if error.raw_os_error() == Some(Errno::ENOTCONN as i32) => Liveness::Dead,
        Ok(Err(error)) if error.raw_os_error() == Some(Errno::ECONNABORTED as i32) => Liveness::Dead,
        Ok(Err(error)) => Liveness::Unknown(error),
        Err(_) => Liveness::Silent,
    }
}
