//! A backup target.

use aurochs_api::backup_target::BackupTarget as BackupTargetView;

use super::message_of;
use super::shown::Shown;
use crate::resources::backup_target::CONDITION_UNAVAILABLE;
use crate::resources::{BackupTarget, Object};

impl Shown for BackupTarget {
    type View = BackupTargetView;

    fn view(target: &Object<Self>) -> BackupTargetView {
        let (spec, status) = (&target.spec, &target.status);
        BackupTargetView {
            name: target.name().to_owned(),
            backup_target_url: spec.backup_target_url.clone(),
            credential_secret: spec.credential_secret.clone(),
            poll_interval: spec.poll_interval.clone(),
            available: status.available,
            message: message_of(&status.conditions, CONDITION_UNAVAILABLE),
            last_synced_at: status.last_synced_at.clone(),
            credential_keys: status.credential_keys.clone(),
            causes: status.causes.clone(),
        }
    }
}
