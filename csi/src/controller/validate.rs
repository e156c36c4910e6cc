//! `ValidateVolumeCapabilities`: whether a volume can be used so.

use crate::capability::Use;
use crate::csi::validate_volume_capabilities_response::Confirmed;
use crate::csi::{ValidateVolumeCapabilitiesRequest, ValidateVolumeCapabilitiesResponse};
use crate::driver::Driver;
use crate::failure::Failure;

pub(super) async fn wishes(
    driver: &Driver,
    request: ValidateVolumeCapabilitiesRequest,
) -> Result<ValidateVolumeCapabilitiesResponse, Failure> {
    if request.volume_id.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    if request.volume_capabilities.is_empty() {
        return Err(Failure::missing("volume_capabilities"));
    }
    driver.manager().volume(&request.volume_id).await?;
    // What can't be is an answer, not a mistake of who asks.
    if let Err(failure) = Use::all(&request.volume_capabilities) {
        return Ok(ValidateVolumeCapabilitiesResponse { confirmed: None, message: failure.to_string() });
    }
    let confirmed = Confirmed {
        volume_context: request.volume_context,
        volume_capabilities: request.volume_capabilities,
        parameters: request.parameters,
        ..Confirmed::default()
    };
    Ok(ValidateVolumeCapabilitiesResponse { confirmed: Some(confirmed), message: String::new() })
}
