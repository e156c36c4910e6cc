//! `DeleteVolume`: the volume is gone afterwards, with all its data.

use aurochs_api::volume::{Volume, VolumeState};

use super::tickets;
use crate::csi::DeleteVolumeResponse;
use crate::driver::Driver;
use crate::failure::{Failure, Kind};
use crate::wait::{PATIENCE, Wait};

pub(super) async fn volume(driver: &Driver, name: &str) -> Result<DeleteVolumeResponse, Failure> {
    if name.is_empty() {
        return Err(Failure::missing("volume_id"));
    }
    let _turn = driver.controller_turns().take(name).await?;
    let mut wait = Wait::new(PATIENCE);
    while let Some(volume) = driver.manager().find_volume(name).await? {
        if volume.state != VolumeState::Deleting {
            match driver.manager().delete_volume(name).await {
                Err(failure) if failure.is(Kind::WrongState) && is_passing(&volume) => {
                    wait.again(&format!("volume {name} was not deleted: {failure};")).await?;
                    continue;
                }
                deleted => deleted?,
            }
        }
        wait.again(&format!("volume {name} is not gone")).await?;
    }
    Ok(DeleteVolumeResponse {})
}

/// Whether what is in the way of a deletion goes by itself: the volume is on its way to be detached, and no workload wants it.
fn is_passing(volume: &Volume) -> bool {
    !tickets::of_workloads(volume)
        && matches!(volume.state, VolumeState::Detaching | VolumeState::Attaching | VolumeState::Attached)
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_api::attachment::{Attachment, VolumeAttachment};

    #[test]
    fn what_passes_by_itself() {
        let attached_by = |kind: &str| {
            let ticket = Attachment { attachment_type: kind.into(), ..Attachment::default() };
            let attachments = [("t".to_owned(), ticket)].into();
            let attachment = VolumeAttachment { volume: "v".into(), attachments };
            Volume { state: VolumeState::Attached, volume_attachment: attachment.into(), ..Volume::default() }
        };
        assert!(is_passing(&attached_by("snapshot-controller")));
        assert!(!is_passing(&attached_by("csi-attacher")) && !is_passing(&attached_by("longhorn-api")));
        assert!(is_passing(&Volume { state: VolumeState::Detaching, ..Volume::default() }));
        assert!(!is_passing(&Volume { state: VolumeState::Detached, ..Volume::default() }));
    }
}
