//! A started device and its node: published when it is ready, taken away when nobody uses it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use nix::fcntl::Flock;

use super::driver::Driver;
use super::presence::Presence;
use super::queue::Queues;
use super::sysfs::Sysfs;
use super::{SEE_KERNEL, node};
use crate::frontend::block_error::{BlockError, Explain};
use crate::frontend::release::hold_and_write_out;
use crate::frontend::take_down::TakeDown;

/// When a device is taken away by force, what is in flight may take so long; then it fails.
const FORCE_PATIENCE: Duration = Duration::from_secs(10);
/// The queues of a stopped device end at once.
const END_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct StartedDevice {
    pub(super) id: u32,
    pub(super) node: PathBuf,
    pub(super) queues: Queues,
    pub(super) presence: Presence,
    /// Held as long as the device is there.
    pub(super) _lock: Flock<File>,
}

pub(super) fn publish(id: u32, path: &Path) -> Result<(), BlockError> {
    node::publish(path, number_of(id)?)
}

fn number_of(id: u32) -> Result<node::DeviceNumber, BlockError> {
    Sysfs::default().block_number(id).explain(|| format!("read the number of ublkb{id}"), "sysfs has to be mounted")
}

impl TakeDown for StartedDevice {
    fn take_down(self, force: bool) -> Result<(), (Box<Self>, BlockError)> {
        let stopped = if force {
            let (finished, unfinished) = mpsc::channel::<()>();
            let (id, queues) = (self.id, &self.queues);
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    if unfinished.recv_timeout(FORCE_PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                        tracing::warn!(id, "requests that the volume does not answer fail now");
                        queues.give_up();
                    }
                });
                let stopped = self.stop(true);
                drop(finished);
                stopped
            })
        } else {
            self.stop(false)
        };
        stopped.map_err(|error| {
            // Its users may go on.
            self.queues.go_on();
            (Box::new(self), error)
        })
    }
}

impl StartedDevice {
    fn stop(&self, force: bool) -> Result<(), BlockError> {
        let held = hold_and_write_out(number_of(self.id), &self.node, force)?;
        self.end(held)
    }

    /// Stops the device without asking anybody: what its users have not written out is lost.
    pub(super) fn give_up(&self) -> Result<(), BlockError> {
        self.queues.give_up();
        self.end(None)
    }

    fn end(&self, held: Option<File>) -> Result<(), BlockError> {
        let attempt = || format!("stop ublk device {}", self.id);
        let mut driver = Driver::find()?;
        self.queues.want(false);
        let stopped = self.presence.end(|| driver.stop(self.id));
        stopped.inspect_err(|_| self.queues.want(true)).explain(attempt, SEE_KERNEL)?;
        drop(held);
        node::remove(&self.node)?;
        if !self.queues.ended(END_PATIENCE) {
            tracing::warn!(id = self.id, "a queue of the stopped ublk device does not end");
        }
        if let Err(error) = driver.delete(self.id) {
            tracing::warn!(id = self.id, %error, "the stopped ublk device is left behind");
        }
        Ok(())
    }
}
