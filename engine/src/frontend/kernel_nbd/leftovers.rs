//! The device that a killed engine left, where nobody goes on with it.

use super::control::Driver;
use super::sysfs::Sysfs;
use super::{BlockError, KernelNbdConfig, SEE_KERNEL, blocking, lock, node};
use crate::frontend::block_error::Explain;

/// Whether a device of this volume is attached.
pub(in crate::frontend) fn is_left(config: &KernelNbdConfig) -> bool {
    Sysfs::default().attached_as(&config.identifier()).is_some()
}

/// Detaches it: whoever uses it gets I/O errors.
///
/// # Errors
/// When another process serves the volume, or the driver refuses.
pub(in crate::frontend) async fn clear_leftovers(config: KernelNbdConfig) -> Result<(), BlockError> {
    blocking(move || {
        let Some(index) = Sysfs::default().attached_as(&config.identifier()) else { return Ok(()) };
        let _lock = lock(&config)?;
        tracing::info!(index, "detaching the NBD device of an engine that is gone");
        let attempt = || format!("detach nbd{index}, which an engine that is gone left");
        Driver::find().and_then(|mut driver| driver.disconnect(index)).explain(attempt, SEE_KERNEL)?;
        node::remove(&config.node())
    })
    .await
}
