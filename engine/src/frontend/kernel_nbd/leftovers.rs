//! The devices that killed engines left, where nobody goes on with them. There may be several: one that was detached while
//! it was in use stays attached, for the kernel, until its last user has closed it.

use super::control::Driver;
use super::sysfs::{AttachedAs, Sysfs};
use super::{BlockError, KernelPlace, LOCK, SEE_KERNEL, blocking, identity_of, node};
use crate::frontend::block_error::Explain;
use crate::frontend::tenure::Token;

/// Whether the device with this token is attached.
///
/// # Errors
/// When it can't be seen whether there is one.
pub(in crate::frontend) async fn is_left(place: KernelPlace, token: Token) -> Result<bool, BlockError> {
    blocking(move || {
        let wanted = identity_of(&place.prepared()?).with(token);
        Ok(!look(&Sysfs::default(), |backend| backend == wanted)?.is_empty())
    })
    .await
}

/// Detaches them all: whoever uses them gets I/O errors.
///
/// # Errors
/// When another process serves the volume, what is there can't be seen, or the driver refuses.
pub(in crate::frontend) async fn clear_leftovers(place: KernelPlace) -> Result<(), BlockError> {
    blocking(move || {
        let place = place.prepared()?;
        let (sysfs, identity) = (Sysfs::default(), identity_of(&place));
        let left = look(&sysfs, |backend| identity.is_of(backend))?;
        if left.is_empty() {
            return Ok(());
        }
        let _lock = place.lock(LOCK)?;
        let mut driver = Driver::find().explain(|| "reach the kernel's NBD driver".into(), SEE_KERNEL)?;
        detach(&mut driver, &sysfs, &left)?;
        node::remove(&place.node())
    })
    .await
}

/// The attached devices under such a name, in the order of their indices.
pub(super) fn look(sysfs: &Sysfs, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<AttachedAs>, BlockError> {
    sysfs.attached(is_wanted).explain(|| "look for NBD devices in /sys/block".into(), "sysfs has to be mounted")
}

/// Afterwards none of them has requests that wait, and none gets new ones: the driver fails them.
pub(super) fn detach(driver: &mut Driver, sysfs: &Sysfs, devices: &[AttachedAs]) -> Result<(), BlockError> {
    for AttachedAs { index, backend } in devices {
        tracing::info!(index, backend, "detaching the NBD device of an engine that is gone");
        let attempt = || format!("detach nbd{index}, which holds what is older than the volume");
        let remedy = "see the kernel's log (dmesg) for what its NBD driver says, or restart the node";
        if let Err(error) = driver.disconnect(*index) {
            // It may have gone by itself.
            if look(sysfs, |found| found == backend)?.iter().any(|found| found.index == *index) {
                return Err(error).explain(attempt, remedy);
            }
        }
    }
    Ok(())
}
