//! What is left of a volume's block devices when the volume itself goes.

use std::path::Path;

use super::block::BlockPlaces;
use super::choice::Choice;
use super::{FrontendError, FrontendKind, inherited, tenure};

/// Removes the devices that killed engines of a deleted volume have left on this node: nobody serves them again, and
/// requests to them would wait for ever. A node that never had one is not looked at.
///
/// # Errors
/// Another process serves the volume, or a device can't be removed. An engine of a volume with the same name removes it.
pub async fn forget_devices(volume: &str, runtime_dir: &Path, device_dir: &Path) -> Result<(), FrontendError> {
    if !runtime_dir.exists() {
        return Ok(());
    }
    // Of no epoch and no volume: nothing goes on.
    let tenure = tenure::begin(runtime_dir, 0, None, false)?;
    let mut places = BlockPlaces {
        volume: volume.to_owned(),
        runtime_dir: runtime_dir.to_owned(),
        device_dir: device_dir.to_owned(),
        tenure,
    };
    let nothing = Choice { kind: FrontendKind::Nbd, reason: "the volume is deleted".to_owned() };
    inherited::settle(nothing, &mut places).await?;
    let fuse_loop = places.fuse_loop();
    super::block_error::blocking(move || super::fuse_loop::clear_leftovers(fuse_loop)).await?;
    places.tenure.end();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::tenure::Lasting;

    #[tokio::test]
    async fn a_deleted_volume_leaves_nothing_to_go_on_with() {
        let directory = tempfile::tempdir().unwrap();
        let (run, dev) = (directory.path().join("run"), directory.path().join("dev"));
        forget_devices("v", &run, &dev).await.unwrap();
        assert!(!run.exists(), "nothing is made for a volume that was never here");

        std::fs::create_dir(&run).unwrap();
        // Without the drivers there can be no device, but a note of one.
        tenure::begin(&run, 1, Some("this one"), false).unwrap().attach(Lasting::Ublk).unwrap();
        assert!(tenure::begin(&run, 2, Some("this one"), false).unwrap().is_noted());
        forget_devices("v", &run, &dev).await.unwrap();
        let next = tenure::begin(&run, 3, Some("this one"), false).unwrap();
        assert!(!next.is_noted() && next.inherited().is_none());
    }
}
