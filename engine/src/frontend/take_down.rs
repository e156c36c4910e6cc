//! Taking a block device down, whichever kind it is.

use super::BlockError;

/// What a frontend has of its block device.
pub(super) trait TakeDown: Sized + Send + 'static {
    /// Blocks.
    ///
    /// # Errors
    /// The device stays, as it was.
    fn take_down(self, force: bool) -> Result<(), (Box<Self>, BlockError)>;
}

/// Takes a device down off the runtime's threads; one that stays is put back. There is none while it is at that, so that a
/// frontend which is dropped meanwhile leaves the device to it.
pub(super) async fn take_down<D: TakeDown>(
    device: &mut Option<D>,
    volume: &str,
    force: bool,
) -> Result<(), BlockError> {
    let Some(taken) = device.take() else { return Ok(()) };
    match tokio::task::spawn_blocking(move || taken.take_down(force)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err((stays, error))) => {
            *device = Some(*stays);
            Err(error)
        }
        Err(error) => {
            tracing::error!(volume, %error, "taking the block device down failed inside");
            Ok(())
        }
    }
}
