//! `cancelExpansion`: a new size that the volume has not got yet is taken back.

use aurochs_api::action::NoInput;
use aurochs_api::schema::Resource;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::Volume as VolumeView;

use super::action::{self, Target};
use crate::controllers::job::keys;
use crate::controllers::volume::expansion::present_size;
use crate::error::{ApiError, ErrorKind};
use crate::events::{EventType, ObjectRef, Reason};
use crate::resources::{Engine, LABEL_VOLUME, Object, Volume};

/// Answers with the volume. If the engine grows at this very moment, the volume has the new size after all.
pub async fn handle(target: Target, _: NoInput) -> Result<Resource<VolumeView>, ApiError> {
    let volume = action::volume(&target).await?;
    let engines = target.app.store.list_labelled::<Engine>(LABEL_VOLUME, &target.name).await?;
    let [engine] = engines.as_slice() else {
        let message =
            format_args!("volume {} has {} engines, and a size can't be taken back", target.name, engines.len());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Try again when it has one."));
    };
    let size = present_size(engine);
    if volume.spec.size <= size {
        let message = format_args!("volume {} has its size of {size}; there is no expansion to cancel", target.name);
        return Err(ApiError::new(ErrorKind::Conflict, message, "Nothing has to be done."));
    }
    check_not_growing(&volume, engine)?;
    let wished = volume.spec.size;
    tell_job(&target, wished).await;
    let answer = action::change(&target, |volume| {
        // Only what was looked at is taken back.
        if volume.spec.size == wished {
            volume.spec.size = size;
        }
        Ok(())
    })
    .await?;
    let message = format!("The growth of volume {} to {wished} was cancelled; it keeps {size}.", target.name);
    target.app.events.emit(&ObjectRef::from(&volume), Reason::CanceledExpansion, EventType::Normal, &message);
    Ok(answer)
}

/// The job of the expansion ends in the name of who asked for it.
async fn tell_job(target: &Target, wished: ByteSize) {
    let jobs = &target.app.jobs;
    if let Some(id) = jobs.running(&keys::expansion(&target.name, wished.bytes()))
        && let Err(error) = jobs.cancel(id, &target.user).await
    {
        tracing::debug!(volume = target.name, %error, "the job of a cancelled expansion ends by itself");
    }
}

fn check_not_growing(volume: &Object<Volume>, engine: &Object<Engine>) -> Result<(), ApiError> {
    if engine.status.is_expanding {
        let message = format_args!("volume {} is growing right now, which can't be taken back", volume.name());
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait for it; a file system need not use the space."));
    }
    Ok(())
}
