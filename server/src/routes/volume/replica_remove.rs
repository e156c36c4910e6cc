//! `replicaRemove`: gives up one copy; a new one is made elsewhere if the volume wants more.

use aurochs_api::schema::Resource;
use aurochs_api::volume::Volume;
use aurochs_api::volume::inputs::ReplicaRemoveInput;

use super::action::{self, Target};
use crate::controllers::replica::last_data;
use crate::error::{ApiError, ErrorKind};
use crate::instance::record;
use crate::resources::{LABEL_VOLUME, Object, Replica};

/// Answers with the volume. The last good copy is never removed.
pub async fn handle(target: Target, input: ReplicaRemoveInput) -> Result<Resource<Volume>, ApiError> {
    let store = &target.app.store;
    action::volume(&target).await?;
    let replicas = store.list_labelled::<Replica>(LABEL_VOLUME, &target.name).await?;
    let Some(replica) = replicas.iter().find(|replica| replica.name() == input.name) else {
        let names: Vec<&str> = replicas.iter().map(Object::name).collect();
        let message = format_args!("volume {} has no replica named {:?}", target.name, input.name);
        return Err(ApiError::new(
            ErrorKind::Invalid,
            message,
            format_args!("Its replicas are: {}.", names.join(", ")),
        ));
    };
    check_record(&target, replica, &replicas).await?;
    let other_good = replicas.iter().any(|other| other.name() != replica.name() && is_good(other));
    if is_good(replica) && !other_good {
        let message = format_args!(
            "replica {} of volume {} is not removed: no other healthy replica available",
            input.name, target.name
        );
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until another replica is rebuilt."));
    }
    store.delete::<Replica>(replica.name()).await?;
    tracing::info!(volume = target.name, replica = input.name, "asked to remove a replica");
    action::answer(&target).await
}

/// Invariant: a member of the control record goes only when another one stays. What the resources tell of the others may
/// be older than the record.
async fn check_record(
    target: &Target,
    replica: &Object<Replica>,
    replicas: &[Object<Replica>],
) -> Result<(), ApiError> {
    let (volume, name) = (&target.name, replica.name());
    let record = record::get(&target.app.clients, volume).await.map_err(|error| {
        let message = format_args!(
            "replica {name} of volume {volume} is not removed: whether another one has all data can't be told ({error})"
        );
        ApiError::new(ErrorKind::Unavailable, message, "Bring an instance manager back, then try again.")
    })?;
    let Some(record) = record else { return Ok(()) };
    let is_member = record.members.iter().any(|member| member == name);
    if is_member && !last_data::another_stays(name, &record.members, replicas) {
        let message =
            format_args!("replica {name} of volume {volume} is not removed: no other healthy replica available");
        return Err(ApiError::new(ErrorKind::Conflict, message, "Wait until another replica is rebuilt."));
    }
    Ok(())
}

/// Whether it has all data, as far as the resource tells.
fn is_good(replica: &Object<Replica>) -> bool {
    !replica.is_deleting() && !replica.spec.has_failed() && !replica.spec.healthy_at.is_empty()
}
