//! `activate`: a standby volume follows its backups no more, and can be used.

use aurochs_api::schema::Resource;
use aurochs_api::volume::inputs::ActivateInput;
use aurochs_api::volume::{Frontend, Volume as VolumeView};

use super::action::{self, Target, invalid};
use crate::controllers::volume::restore::ask_for_newest;
use crate::error::{ApiError, ErrorKind};

/// Answers with the volume. It is attached and detached by itself until its newest backup is there; then `standby` and
/// `restoreRequired` are false, and it can be used.
pub async fn handle(target: Target, input: ActivateInput) -> Result<Resource<VolumeView>, ApiError> {
    let frontend = match input.frontend.as_str() {
        "blockdev" => Frontend::Blockdev,
        "iscsi" => Frontend::Iscsi,
        "nbd" => Frontend::Nbd,
        other => {
            let message = format_args!("volume {} can't be activated with frontend {other:?}", target.name);
            return Err(invalid(message, "Give blockdev, iscsi or nbd."));
        }
    };
    let volume = action::volume(&target).await?;
    if !volume.spec.standby {
        let message = format_args!("volume {} is not activated: it is no standby volume", target.name);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Attach it; it can be used as it is."));
    }
    // First, so that the newest backup is not looked for in what was read before.
    ask_for_newest(&target.app.store, &volume).await?;
    let answer = action::change(&target, |volume| {
        volume.spec.standby = false;
        volume.spec.frontend = frontend;
        Ok(())
    })
    .await?;
    tracing::info!(volume = target.name, frontend = frontend.word(), "activated");
    Ok(answer)
}
