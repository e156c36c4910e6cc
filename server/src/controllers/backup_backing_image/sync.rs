//! Brings the resources of image backups into step with what is in a target, also with what other installations put there.

use std::collections::{BTreeMap, BTreeSet};

use aurochs_api::size::ByteSize;
use aurochs_engine::backup::{BackupUrl, Store};

use crate::backups::names;
use crate::backups::remote::{self, ImageFacts, Read};
use crate::controllers::backup_target::forget;
use crate::controllers::{Context, Error};
use crate::resources::backup::{BackupState, LABEL_BACKUP_TARGET};
use crate::resources::backup_backing_image::{BackupBackingImageSpec, BackupBackingImageStatus};
use crate::resources::{BackupBackingImage, BackupTarget, Object, timestamp};
use crate::store::StoreError;

/// Label: the image.
pub const LABEL_BACKING_IMAGE: &str = "backing-image";

/// The resource of an image's backup in a target that has none yet.
#[must_use]
pub fn resource(image: &str, target: &str, user_created: bool) -> Object<BackupBackingImage> {
    let spec = BackupBackingImageSpec {
        backing_image: image.to_owned(),
        backup_target_name: target.to_owned(),
        user_created,
        ..BackupBackingImageSpec::default()
    };
    let mut made = Object::<BackupBackingImage>::new(names::backup_volume(image, target), spec);
    let labels = [(LABEL_BACKUP_TARGET, target), (LABEL_BACKING_IMAGE, image)];
    made.metadata.labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
    made
}

/// One that is being made here is nobody's to change but its controller's.
fn is_at_work(backup: &Object<BackupBackingImage>) -> bool {
    let is_over = matches!(backup.status.state, BackupState::Completed | BackupState::Error | BackupState::Unknown);
    backup.is_deleting() || (backup.spec.user_created && !is_over)
}

/// Reads all images of a target.
pub async fn target(context: &Context, target: &Object<BackupTarget>, store: &Store) -> Result<(), Error> {
    // Before the list: what comes into the store meanwhile is not taken for gone.
    let known = context.store.list_labelled::<BackupBackingImage>(LABEL_BACKUP_TARGET, target.name()).await?;
    let versions = known.iter().filter(|one| !one.status.record_version.is_empty());
    let versions = versions.map(|one| (one.spec.backing_image.clone(), one.status.record_version.clone()));
    let listed = remote::backing_images(store, &versions.collect::<BTreeMap<_, _>>()).await?;
    let there: BTreeSet<&str> = listed.iter().map(|one| one.name.as_str()).collect();
    for one in &listed {
        let resource = match known.iter().find(|known| known.spec.backing_image == one.name) {
            Some(known) => known.clone(),
            None => create(context, &one.name, target.name()).await?,
        };
        if is_at_work(&resource) || resource.status.record_version == one.version {
            continue;
        }
        let url = BackupUrl::backing_image(store.url().clone(), &one.name).to_string();
        let change = |status: &mut BackupBackingImageStatus| {
            status.backing_image.clone_from(&one.name);
            status.url.clone_from(&url);
            status.last_synced_at = timestamp::now();
            match &one.record {
                Read::Unchanged => {}
                Read::Damaged(fault) => {
                    status.state = BackupState::Error;
                    status.error.clone_from(&fault.message);
                    status.next_step.clone_from(&fault.next_step);
                    status.record_version.clear();
                }
                Read::Is(facts) => take(status, facts, &one.version),
            }
        };
        context.store.modify_status::<BackupBackingImage>(resource.name(), change).await?;
    }
    // One that could not be made is shown until somebody takes it away.
    let was_there = |one: &&Object<BackupBackingImage>| !is_at_work(one) && one.status.state != BackupState::Error;
    for one in known.iter().filter(was_there).filter(|one| !there.contains(one.spec.backing_image.as_str())) {
        forget::backing_image(context, one).await?;
    }
    Ok(())
}

fn take(status: &mut BackupBackingImageStatus, facts: &ImageFacts, version: &str) {
    version.clone_into(&mut status.record_version);
    status.checksum.clone_from(&facts.checksum);
    status.size = ByteSize(facts.size);
    status.labels.clone_from(&facts.labels);
    status.compression_method.clone_from(&facts.compression);
    status.backup_created_at.clone_from(&facts.completed);
    status.secret.clone_from(&facts.secret);
    status.secret_namespace.clone_from(&facts.secret_namespace);
    status.next_step.clear();
    if facts.completed.is_empty() {
        (status.state, status.progress) = (BackupState::Unknown, 0);
        "it is not complete: it is being made elsewhere, or its making broke off".clone_into(&mut status.error);
    } else {
        (status.state, status.progress) = (BackupState::Completed, 100);
        status.error.clear();
    }
}

async fn create(context: &Context, image: &str, target: &str) -> Result<Object<BackupBackingImage>, StoreError> {
    let made = resource(image, target, false);
    match context.store.create(&made).await {
        Err(StoreError::AlreadyExists { .. }) => context.store.get(made.name()).await,
        outcome => outcome,
    }
}
