//! `snapshotBackup`: makes a backup of a snapshot, attached or not. What is asked for here is done by the backup controller.

use std::collections::BTreeMap;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot as Layer, SnapshotInput};
use aurochs_api::volume::Volume as VolumeView;

use super::action::{self, Target, invalid};
use super::engine::RunningEngine;
use super::rules;
use crate::app::App;
use crate::backups::{labels, names};
use crate::controllers::job::keys;
use crate::error::{ApiError, ErrorKind};
use crate::jobs::StartedBy;
use crate::recurring::saved;
use crate::resources::backup::{
    BackupMode, BackupSpec, LABEL_ACCESS_MODE, LABEL_BACKUP_TARGET, LABEL_BACKUP_VOLUME, LABEL_KUBERNETES_STATUS,
    LABEL_RECURRING_JOBS,
};
use crate::resources::{Backup, BackupTarget, Engine, LABEL_VOLUME, Object, Snapshot, Volume};
use crate::store::Store;

/// Answers with the volume; its `backupStatus`, the backup itself and its job tell how far it is.
pub async fn handle(target: Target, input: SnapshotInput) -> Result<Resource<VolumeView>, ApiError> {
    let store = &target.app.store;
    let volume = action::volume(&target).await?;
    let given = input.labels.unwrap_or_default();
    labels::check(&given).map_err(|why| invalid(why, "Correct the label, or leave it out."))?;
    let mode = mode(&input.backup_mode)?;
    rules::filled(&volume, "backing up")?;
    check_target(store, &volume).await?;
    check_snapshot(&target.app, &volume, &input.name).await?;
    let made = new(store, &volume, &input.name, mode, given).await?;
    target.app.jobs.expect(keys::backup(made.name()), StartedBy::User(target.user.clone()));
    let made = store.create(&made).await?;
    tracing::info!(volume = target.name, snapshot = input.name, backup = made.name(), "backup asked for");
    action::answer(&target).await
}

fn mode(word: &str) -> Result<BackupMode, ApiError> {
    match word {
        "" | "incremental" => Ok(BackupMode::Incremental),
        "full" => Ok(BackupMode::Full),
        other => {
            Err(invalid(format_args!("backupMode can't be {other:?}"), "Give incremental or full, or leave it out."))
        }
    }
}

/// One that can't be used now may be in a moment: the backup waits for it, and says so.
async fn check_target(store: &Store, volume: &Object<Volume>) -> Result<(), ApiError> {
    let name = &volume.spec.backup_target_name;
    let found = store.find::<BackupTarget>(name).await?.filter(|target| !target.is_deleting());
    let Some(found) = found else {
        let message = format_args!("volume {} is not backed up: there is no backup target {name}", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Choose another one with updateBackupTargetName."));
    };
    if found.spec.backup_target_url.is_empty() {
        let message = format_args!("volume {} is not backed up: backup target {name} has no address", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Give the target an address (backupTargetURL)."));
    }
    Ok(())
}

/// One that the engine took a moment ago has no resource yet.
async fn check_snapshot(app: &App, volume: &Object<Volume>, name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name == VOLUME_HEAD {
        let message = format_args!("what volume {} holds now can't be backed up, only a snapshot of it", volume.name());
        return Err(invalid(message, "Take a snapshot and give its name."));
    }
    let store = &app.store;
    let resource = store.find::<Snapshot>(name).await?;
    if resource.is_some_and(|found| found.spec.volume == volume.name() && !found.is_deleting()) {
        return Ok(());
    }
    let layers = match RunningEngine::find(app, volume.name()).await? {
        Some(engine) => engine.snapshots().await?,
        None => {
            let engines = store.list_labelled::<Engine>(LABEL_VOLUME, volume.name()).await?;
            engines.into_iter().next().map(|engine| engine.status.snapshots).unwrap_or_default()
        }
    };
    let is_live = |layer: &Layer| !layer.removed;
    if layers.get(name).is_some_and(is_live) {
        return Ok(());
    }
    let message = format_args!("volume {} has no snapshot named {name:?}", volume.name());
    Err(ApiError::new(ErrorKind::NotFound, message, "snapshotCRList tells their names."))
}

/// A wish for a backup, with what a restore needs besides the data among its labels.
pub(crate) async fn new(
    store: &Store,
    volume: &Object<Volume>,
    snapshot: &str,
    mode: BackupMode,
    mut labels: BTreeMap<String, String>,
) -> Result<Object<Backup>, ApiError> {
    let status = &volume.status.kubernetes_status;
    let kubernetes = serde_json::to_string(status).map_err(|error| ApiError::internal("writing a label", error))?;
    labels.insert(LABEL_KUBERNETES_STATUS.to_owned(), kubernetes);
    labels.insert(LABEL_ACCESS_MODE.to_owned(), volume.spec.access_mode.word().to_owned());
    if let Some(jobs) = saved::of_volume(store, volume).await? {
        labels.insert(LABEL_RECURRING_JOBS.to_owned(), jobs);
    }
    let spec = BackupSpec {
        snapshot_name: snapshot.to_owned(),
        labels,
        backup_mode: mode,
        backup_block_size: volume.spec.backup_block_size.bytes().to_string(),
        ..BackupSpec::default()
    };
    let mut made = Object::<Backup>::new(names::new_backup(), spec);
    let own = [(LABEL_BACKUP_TARGET, volume.spec.backup_target_name.as_str()), (LABEL_BACKUP_VOLUME, volume.name())];
    made.metadata.labels = own.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode("").unwrap(), BackupMode::Incremental);
        assert_eq!(mode("full").unwrap(), BackupMode::Full);
        assert!(mode("Full").unwrap_err().next_step.contains("incremental"));
    }
}
