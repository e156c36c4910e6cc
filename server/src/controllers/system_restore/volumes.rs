//! Volumes of a system backup: made anew, and filled from the last backup that the system backup tells of.

use aurochs_api::ids::VolumeName;
use aurochs_api::size::ByteSize;
use aurochs_engine::backup::BackupUrl;

use super::parts::{Fate, Mark};
use crate::backups::remote::{self, Read};
use crate::controllers::engine_image::default_image;
use crate::controllers::{Context, Error};
use crate::resources::system_restore::ANNOTATION_RESTORED_BACKUP;
use crate::resources::volume::VolumeSpec;
use crate::resources::{BackupTarget, Object, Volume};
use crate::routes::volume::{backing_image, new_volume};
use crate::store::StoreError;
use crate::system::found::Item;

/// One that is there is not touched.
pub(super) async fn one(context: &Context, item: &Item, mark: &Mark) -> Result<Fate, Error> {
    let store = &context.store;
    if let Some(there) = store.find::<Volume>(&item.name).await? {
        if mark.is_on(&there) {
            return Ok(Fate::Restored);
        }
        let change = |volume: &mut Object<Volume>| {
            if !mark.is_on(volume) {
                mark.put(&mut volume.metadata.annotations, false);
            }
        };
        return match store.modify::<Volume>(&item.name, change).await {
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Ok(Fate::Stays),
        };
    }
    let mut spec: VolumeSpec = match item.spec() {
        Ok(spec) => spec,
        Err(error) => return Ok(left_out(format_args!("what the backup says of it can't be used: {error}"))),
    };
    if let Err(error) = item.name.parse::<VolumeName>() {
        return Ok(left_out(error));
    }
    clear(&mut spec);
    if let Some(why) = origin(context, item, &mut spec).await? {
        return Ok(Fate::LeftOut(why));
    }
    let checked = new_volume::check_found(&item.name, &spec, &context.settings);
    if let Err(error) = checked.and(backing_image::check(store, &spec).await) {
        return Ok(Fate::LeftOut(error.message));
    }
    let mut volume = Object::<Volume>::new(&item.name, spec);
    volume.metadata.labels.clone_from(&item.labels);
    volume.metadata.annotations.clone_from(&item.annotations);
    mark.put(&mut volume.metadata.annotations, true);
    if !volume.spec.from_backup.is_empty() {
        let from = volume.spec.from_backup.clone();
        volume.metadata.annotations.insert(ANNOTATION_RESTORED_BACKUP.to_owned(), from);
    }
    let is_empty = volume.spec.from_backup.is_empty();
    match store.create(&volume).await {
        // Somebody made one of this name at this moment.
        Err(StoreError::AlreadyExists { .. }) => Ok(Fate::Stays),
        Err(error) => Err(error.into()),
        Ok(_) if is_empty => Ok(left_out("it had no backup: it is made anew, and empty")),
        Ok(_) => Ok(Fate::Restored),
    }
}

fn left_out(why: impl std::fmt::Display) -> Fate {
    Fate::LeftOut(why.to_string())
}

/// What was the old installation's: where it was attached, and by which engine.
fn clear(spec: &mut VolumeSpec) {
    spec.node_id.clear();
    spec.engine_node_id.clear();
    spec.migration_node_id.clear();
    spec.last_attached_by.clear();
    spec.disable_frontend = false;
    spec.image = default_image();
    // What it was copied from need not be here; what it held then is in its backup.
    spec.data_source.clear();
    spec.clone_mode = VolumeSpec::default().clone_mode;
}

/// Where its data comes from. Answers with what makes that impossible.
async fn origin(context: &Context, item: &Item, spec: &mut VolumeSpec) -> Result<Option<String>, Error> {
    let target = context.store.find::<BackupTarget>(&spec.backup_target_name).await?;
    let last = item.told("lastBackup");
    // A standby volume goes on following what it followed.
    let is_own = !spec.standby && !last.is_empty();
    if is_own {
        let Some(url) = target.as_ref().and_then(|target| target.spec.backup_target_url.parse().ok()) else {
            let why = format!("its backup target {} has no address here", spec.backup_target_name);
            return Ok(Some(why));
        };
        spec.from_backup = BackupUrl::backup(url, &item.name, last).to_string();
    }
    let (Some(target), Ok(url)) = (target, spec.from_backup.parse::<BackupUrl>()) else { return Ok(None) };
    let (Some(backup), Some(volume)) = (&url.backup, &url.volume) else { return Ok(None) };
    let opened = context.backups.store(target.name(), &target.spec).await;
    let read = match &opened {
        Ok(store) => remote::backup(store, volume, backup).await,
        Err(fault) => Err(fault.clone()),
    };
    let store = match (opened, read) {
        (_, Err(fault)) if fault.is_missing => {
            let why = format!("its backup {backup} is not in backup target {} any more", target.name());
            return Ok(Some(why));
        }
        (Ok(store), Ok(_)) => store,
        // What is below it can't be compared with what was below it then.
        (_, Err(fault)) | (Err(fault), _) if !spec.backing_image.is_empty() => {
            return Ok(Some(format!("its backup can't be read: {fault}")));
        }
        // A target that does not answer now is waited for by the volume itself.
        _ => return Ok(None),
    };
    let facts = match remote::volume(&store, volume, "").await {
        Ok(Some((_, Read::Is(facts)))) => facts,
        Err(fault) if fault.is_transient => return Err(fault.into()),
        _ => return Ok(Some(format!("the record of {volume} in backup target {} can't be read", target.name()))),
    };
    // It may have grown before it was backed up for the last time; then the backup is larger.
    spec.size = spec.size.max(ByteSize(facts.size));
    // Over another image it would read as something that it never was.
    let refused = backing_image::check_origin(&context.store, spec, &facts).await;
    Ok(refused.err().map(|error| error.message))
}
