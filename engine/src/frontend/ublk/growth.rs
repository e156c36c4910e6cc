//! Making a started device as large as its volume.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::blocking;
use super::driver::Driver;
use super::layout::{DeviceInfo, DeviceState};
use super::presence::Presence;
use crate::frontend::block_error::{BlockError, Explain};

/// What has to be known to resize a device from any thread. Outlives the frontend, and then fails.
#[derive(Clone)]
pub(in crate::frontend) struct UblkGrowth {
    pub(super) id: u32,
    pub(super) owner: u64,
    pub(super) presence: Presence,
    /// Asks the volume.
    pub(super) size_bytes: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl fmt::Debug for UblkGrowth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "UblkGrowth(ublkb{})", self.id)
    }
}

impl UblkGrowth {
    /// Makes the block device as large as the volume.
    pub(in crate::frontend) async fn follow(&self) -> Result<(), BlockError> {
        let growth = self.clone();
        blocking(move || growth.follow_blocking()).await
    }

    fn follow_blocking(&self) -> Result<(), BlockError> {
        let attempt = || format!("resize ublkb{}", self.id);
        let gone = || Err(io::Error::from(io::ErrorKind::NotFound)).explain(attempt, "it is not attached any more");
        let resized = self.presence.during(|| {
            let mut driver = Driver::find()?;
            // Somebody may have deleted it by hand.
            let is_ours = |info: DeviceInfo| info.owner == self.owner && info.state != DeviceState::Dead;
            if !driver.info(self.id).is_ok_and(is_ours) {
                return gone();
            }
            take_size(&mut driver, self.id, (self.size_bytes)())
        });
        resized.unwrap_or_else(gone)
    }
}

/// Users of the device see the new size at once.
pub(super) fn take_size(driver: &mut Driver, id: u32, size_bytes: u64) -> Result<(), BlockError> {
    if !driver.can_resize() {
        return Err(BlockError::TooOld {
            missing: "it can't resize a device in use (Linux 6.16): detach and attach the volume to see its new size",
        });
    }
    let attempt = || format!("resize ublkb{id} to {size_bytes} bytes");
    driver.resize(id, size_bytes).explain(attempt, "detach and attach the volume to see its new size")
}
