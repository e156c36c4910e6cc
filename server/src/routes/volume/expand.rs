//! `expand`: makes the volume larger, attached or not. The controllers do the rest.

use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume as VolumeView;
use aurochs_api::volume::inputs::ExpandInput;

use super::action::{self, Target, invalid};
use super::{new_volume, rules};
use crate::controllers::job::keys;
use crate::controllers::volume::cluster::{limits, views};
use crate::controllers::volume::growth_room::shortages;
use crate::error::ApiError;
use crate::jobs::StartedBy;
use crate::resources::volume::VolumeSpec;
use crate::resources::{LABEL_VOLUME, Node, Object, Replica, Volume};

/// Answers with the volume; `controllers[0].size` tells when it has grown. Its own size changes nothing.
pub async fn handle(target: Target, input: ExpandInput) -> Result<Resource<VolumeView>, ApiError> {
    let wished = new_volume::size(&input.size.0)?;
    let volume = action::volume(&target).await?;
    check_growth(&volume, wished)?;
    if wished == volume.spec.size {
        return action::answer(&target).await;
    }
    rules::filled(&volume, "expanding")?;
    rules::settled(&volume, "expanding")?;
    check_room(&target, &volume, wished).await?;
    tracing::info!(volume = target.name, size = %wished, "asked to expand");
    let by = StartedBy::User(target.user.clone());
    target.app.jobs.expect(keys::expansion(&target.name, wished.bytes()), by);
    action::change(&target, |volume| {
        // Somebody may have been quicker.
        check_growth(volume, wished)?;
        grow(&mut volume.spec, wished);
        Ok(())
    })
    .await
}

/// The size, and what has to go with it.
pub(crate) fn grow(spec: &mut VolumeSpec, size: ByteSize) {
    spec.size = size;
    let least = ByteSize(size.bytes().saturating_mul(2));
    if spec.snapshot_max_size > ByteSize::ZERO && spec.snapshot_max_size < least {
        spec.snapshot_max_size = least;
    }
}

/// A volume never shrinks: nobody knows what a file system has at its end.
pub fn check_growth(volume: &Object<Volume>, wished: ByteSize) -> Result<(), ApiError> {
    let now = volume.spec.size;
    if wished >= now {
        return Ok(());
    }
    let name = volume.name();
    let message = format_args!("volume {name} can't be expanded to {wished}: it has {now} already and never shrinks");
    Err(invalid(message, "Give a larger size, or make a smaller volume and copy the files."))
}

/// What has no room now is said at once. The room is promised when the controllers get to it; they look again.
async fn check_room(target: &Target, volume: &Object<Volume>, wished: ByteSize) -> Result<(), ApiError> {
    let (store, settings) = (&target.app.store, &target.app.settings);
    let (nodes, replicas) = (store.list::<Node>().await?, store.list::<Replica>().await?);
    let own = store.list_labelled::<Replica>(LABEL_VOLUME, volume.name()).await?;
    let missing = shortages(own.iter(), wished, &views(&nodes, &replicas), limits(settings));
    let Some(first) = missing.first() else { return Ok(()) };
    let message = format_args!("volume {} can't grow to {wished}: {}", volume.name(), first.text);
    Err(invalid(message, "Free space there, move the replica to a larger disk, or give a smaller size."))
}
