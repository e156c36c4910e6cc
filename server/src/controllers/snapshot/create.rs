//! Taking the snapshots that resources ask for.
//!
//! Invariant: no snapshot is taken twice for a resource. Its layer carries the resource's uid from its first moment on, and
//! every pass compares with what the engine has before it takes one: a manager that dies between the engine's answer and
//! the store finds the layer again. None is taken of a copy in the making: the engine fills an empty volume only.

use std::time::Duration;

use aurochs_api::ids::check_snapshot_name;
use aurochs_engine::grpc::engine_v1::SnapshotCreateRequest;

use super::super::{Context, Error};
use super::memory::Memory;
use super::mirror;
use super::names;
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{rpc, within};
use crate::resources::snapshot::SnapshotStatus;
use crate::resources::{Engine, Object, Snapshot, Volume, timestamp};
use crate::settings::{Name, Settings};

/// The engine gives a mounted file system a minute to be synced, half a minute to freeze and half a minute frozen; then
/// every replica makes and syncs its files.
pub(super) const TAKE_TIMEOUT: Duration = Duration::from_secs(180);

/// What a resource wants taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Nothing,
    Take,
    /// It can't be taken as things are: the volume needs not be attached for it.
    Waits(String),
}

/// `known`: all snapshots of the volume, as they were last seen in the engine.
pub(super) fn wish(snapshot: &Object<Snapshot>, volume: &Object<Volume>, known: &[Object<Snapshot>]) -> Wish {
    if !snapshot.spec.create_snapshot || snapshot.is_deleting() || names::was_taken(snapshot) {
        return Wish::Nothing;
    }
    if let Err(error) = check_snapshot_name(snapshot.name()) {
        return Wish::Waits(format!("{error}. Delete this resource and make one with another name"));
    }
    if !volume.is_filled() {
        // The engine fills an empty volume only, and a snapshot of this name would look like the copy.
        let source = &volume.spec.data_source;
        return Wish::Waits(format!("volume {} is a copy of {source} in the making; it is taken then", volume.name()));
    }
    if !volume.is_restored() {
        return Wish::Waits(format!("volume {} is being restored from a backup; it is taken then", volume.name()));
    }
    let others = || known.iter().filter(|other| other.name() != snapshot.name() && names::was_taken(other));
    if others().any(|other| names::layer_name(other) == snapshot.name()) {
        return Wish::Waits(format!(
            "volume {} has another snapshot named {:?} already. Delete this resource and make one with another name",
            volume.name(),
            snapshot.name()
        ));
    }
    let live = others().filter(|other| !other.status.mark_removed && other.status.error != mirror::LOST).count();
    let most = usize::try_from(volume.spec.snapshot_max_count).unwrap_or(usize::MAX);
    if most > 0 && live >= most {
        return Wish::Waits(format!(
            "volume {} has {live} snapshots and may have {most}. Delete one, or raise snapshotMaxCount; it is then taken",
            volume.name()
        ));
    }
    Wish::Take
}

/// Takes what can be taken and tells the others why not. True when the engine has a new snapshot.
pub(super) async fn take_all(
    context: &Context,
    memory: &Memory,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    known: &mut [Object<Snapshot>],
) -> Result<bool, Error> {
    let mut taken = false;
    for at in oldest_first(known) {
        match wish(&known[at], volume, known) {
            Wish::Nothing => {}
            Wish::Waits(why) => known[at] = tell(context, &known[at], &why).await?,
            Wish::Take if memory.take_pause(&known[at].metadata.uid).is_some() => {}
            Wish::Take => {
                known[at] = requested(context, &known[at]).await?;
                match take(context, volume, engine, &known[at]).await {
                    Ok(()) => {
                        taken = true;
                        memory.take_again(&known[at].metadata.uid);
                    }
                    // Nobody answered: whether it was taken is seen by the next pass.
                    Err(Error::Client(error)) if error.is_unreachable() => return Err(error.into()),
                    Err(Error::Client(error)) => {
                        memory.rest_take(&known[at].metadata.uid);
                        known[at] = tell(context, &known[at], &error.to_string()).await?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(taken)
}

/// Says in each resource why its snapshot is not taken.
pub(super) async fn tell_waiting(
    context: &Context,
    volume: &Object<Volume>,
    known: &mut [Object<Snapshot>],
) -> Result<(), Error> {
    for at in 0..known.len() {
        if let Wish::Waits(why) = wish(&known[at], volume, known) {
            known[at] = tell(context, &known[at], &why).await?;
        }
    }
    Ok(())
}

/// Whoever asked first gets the last free place.
fn oldest_first(known: &[Object<Snapshot>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..known.len()).collect();
    order.sort_by_key(|&at| (&known[at].metadata.creation_timestamp, known[at].name()));
    order
}

async fn take(
    context: &Context,
    volume: &Object<Volume>,
    engine: &Object<Engine>,
    snapshot: &Object<Snapshot>,
) -> Result<(), Error> {
    let request = SnapshotCreateRequest {
        name: snapshot.name().to_owned(),
        labels: names::labels_for_engine(snapshot).into_iter().collect(),
        user_created: true,
        freeze_filesystem: freezes(&context.settings, volume),
    };
    let answer = context.clients.engine(&engine.status.address)?.snapshot_create(within(TAKE_TIMEOUT, request)).await;
    answer.map_err(rpc(format!("taking snapshot {} of volume {}", snapshot.name(), volume.name())))?;
    tracing::info!(volume = volume.name(), snapshot = snapshot.name(), "snapshot taken");
    let about = ObjectRef::from(snapshot);
    context.events.emit(&about, Reason::Create, EventType::Normal, "the engine has taken the snapshot");
    Ok(())
}

/// Whether a user's snapshot of this volume holds a mounted file system still.
#[must_use]
pub fn freezes(settings: &Settings, volume: &Object<Volume>) -> bool {
    volume.spec.freeze_filesystem_for_snapshot.or_setting(settings.flag(Name::FreezeFilesystemForSnapshot))
}

async fn requested(context: &Context, snapshot: &Object<Snapshot>) -> Result<Object<Snapshot>, Error> {
    if !snapshot.status.requested_time.is_empty() {
        return Ok(snapshot.clone());
    }
    let status = SnapshotStatus { requested_time: timestamp::now(), ..snapshot.status.clone() };
    Ok(context.store.update_status(&Object { status, ..snapshot.clone() }).await?)
}

async fn tell(context: &Context, snapshot: &Object<Snapshot>, why: &str) -> Result<Object<Snapshot>, Error> {
    if snapshot.status.error == why {
        return Ok(snapshot.clone());
    }
    let status = SnapshotStatus { error: why.to_owned(), ..snapshot.status.clone() };
    let next = context.store.update_status(&Object { status, ..snapshot.clone() }).await?;
    context.events.emit(&ObjectRef::from(&next), Reason::FailedCreating, EventType::Warning, why);
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::volume::Override;

    /// behaviour.md §6, row "freeze": the volume's word, then the setting's.
    #[test]
    fn freeze_of_the_volume_or_the_setting() {
        for (said, setting, expected) in [
            (Override::Ignored, "false", false),
            (Override::Ignored, "true", true),
            (Override::Enabled, "false", true),
            (Override::Enabled, "true", true),
            (Override::Disabled, "false", false),
            (Override::Disabled, "true", false),
        ] {
            let settings = Settings::default();
            settings.set(Name::FreezeFilesystemForSnapshot.word(), &format!(r#"{{"v1":"{setting}"}}"#));
            let mut volume = Object::<Volume>::new("v", Default::default());
            volume.spec.freeze_filesystem_for_snapshot = said;
            assert_eq!(freezes(&settings, &volume), expected, "{said:?} {setting}");
        }
    }
}
