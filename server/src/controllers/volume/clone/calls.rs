//! What a clone asks the two engines.

use std::collections::HashMap;

use aurochs_engine::grpc::engine_v1::engine_client::EngineClient;
use aurochs_engine::grpc::engine_v1::{
    CloneState as Told, CloneStatus, EngineStatus, SnapshotCloneRequest, SnapshotCreateRequest, SnapshotNameRequest,
    StatusRequest,
};
use tonic::transport::Channel;

use super::super::family::{Family, can_be_asked, engine_name};
use crate::controllers::engine::told;
use crate::controllers::snapshot::layer_name;
use crate::controllers::{Context, Error};
use crate::instance::{CHANGE_TIMEOUT, ClientError, LOOK_TIMEOUT, rpc, within};
use crate::resources::data_source::DataSource;
use crate::resources::engine::CloneProgress;
use crate::resources::{Engine, LABEL_VOLUME, Object, Snapshot, Volume};

/// Label of a snapshot that was taken for a copy: the volume that it is for.
pub(crate) const LABEL_FOR: &str = "longhorn.io/for-cloning-volume";

/// How far a copy is, as the target's engine has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Copying {
    NotBegun,
    Running,
    /// The last one that was begun failed, and why.
    Ended(String),
    /// The data is there; how much was copied, unless the engine that did it has ended.
    There(Option<CloneProgress>),
}

/// Asks the engine itself: what is stored of it lags by a moment, and would show the attempt before.
pub(super) async fn copying(context: &Context, family: &Family, snapshot: &str) -> Result<Copying, Error> {
    Ok(judge(&status(context, &family.engine).await?, snapshot))
}

/// A snapshot of the name alone proves nothing: somebody may have taken it, with nothing in it. The copy is told of, or it
/// is what everything else stands on, as nothing is that was taken after it.
fn judge(status: &EngineStatus, snapshot: &str) -> Copying {
    let is_told = |clone: &CloneStatus| clone.state() == Told::Complete && clone.snapshot == snapshot;
    let of_this = status.clone.as_ref().filter(|clone| is_told(clone));
    if let Some(found) = status.snapshots.iter().find(|one| one.name == snapshot)
        && (found.parent.is_empty() || of_this.is_some())
    {
        return Copying::There(of_this.map(told::clone));
    }
    match &status.clone {
        None => Copying::NotBegun,
        Some(clone) => match clone.state() {
            Told::Unspecified => Copying::NotBegun,
            Told::InProgress => Copying::Running,
            // The list of layers comes a moment later.
            Told::Complete => Copying::Running,
            Told::Failed => Copying::Ended(clone.error.clone()),
        },
    }
}

/// Has the target's engine copy. The inner error is a refusal.
pub(super) async fn begin(
    context: &Context,
    family: &Family,
    source: &Object<Volume>,
    data_source: &DataSource,
    snapshot: &str,
) -> Result<Result<(), String>, Error> {
    let from = context.store.get::<Engine>(&engine_name(source.name())).await?;
    let there = status(context, &from).await?.snapshots.iter().any(|one| one.name == snapshot && !one.removed);
    if !there {
        if data_source.snapshot.is_some() {
            return Ok(Err(format!("volume {} has no snapshot {snapshot}", source.name())));
        }
        if let Err(why) = take(context, &from, snapshot, &family.engine.spec.volume_name).await? {
            return Ok(Err(why));
        }
    }
    let target = context.store.find::<Volume>(&family.engine.spec.volume_name).await?;
    let target_image = target.map(|target| target.spec.backing_image).unwrap_or_default();
    let request = SnapshotCloneRequest {
        source_address: from.status.address.clone(),
        source_volume: source.name().to_owned(),
        source_snapshot: snapshot.to_owned(),
        snapshot: snapshot.to_owned(),
        // A copy that stands on the same image has what the image holds already.
        include_backing_file: target_image != source.spec.backing_image,
    };
    let engine = family.engine.name();
    let begun = client(context, &family.engine)?.snapshot_clone(within(CHANGE_TIMEOUT, request)).await;
    refusal(begun.map_err(rpc(format!("having engine {engine} copy from {}", source.name()))))
}

async fn take(
    context: &Context,
    from: &Object<Engine>,
    snapshot: &str,
    target: &str,
) -> Result<Result<(), String>, Error> {
    let request = SnapshotCreateRequest {
        name: snapshot.to_owned(),
        labels: HashMap::from([(LABEL_FOR.to_owned(), target.to_owned())]),
        // A purge takes those away that users did not take, and this one is being read.
        user_created: true,
        freeze_filesystem: false,
    };
    let taken = client(context, from)?.snapshot_create(within(CHANGE_TIMEOUT, request)).await;
    refusal(taken.map_err(rpc(format!("taking snapshot {snapshot} of {}", from.spec.volume_name))))
}

/// The snapshot that was taken for the copy alone. If it can't be removed now, the snapshot controller removes it later.
pub(super) async fn remove_helper(context: &Context, source: &Object<Volume>, snapshot: &str) {
    let removed = async {
        let from = context.store.get::<Engine>(&engine_name(source.name())).await?;
        let request = SnapshotNameRequest { name: snapshot.to_owned() };
        let removed = client(context, &from)?.snapshot_delete(within(CHANGE_TIMEOUT, request)).await;
        removed.map_err(rpc(format!("removing snapshot {snapshot} of {}", source.name())))?;
        Ok::<_, Error>(())
    };
    if let Err(error) = removed.await {
        tracing::warn!(volume = source.name(), %error, "the snapshot that a copy was made of stays for now");
    }
}

/// Has the snapshot removed that was taken of the source for a target that goes before it is filled. A source that is up
/// is told so; one that is down has it removed by way of its resource, whenever it can be.
pub(super) async fn forget_helper(context: &Context, source: &str, target: &str, snapshot: &str) -> Result<(), Error> {
    let Some(volume) = context.store.find::<Volume>(source).await? else { return Ok(()) };
    let engine = context.store.find::<Engine>(&engine_name(source)).await?.filter(can_be_asked);
    if let Some(engine) = engine
        && let Ok(told) = status(context, &engine).await
    {
        if told.snapshots.iter().any(|one| one.name == snapshot && !one.removed && is_for(&one.labels, target)) {
            remove_helper(context, &volume, snapshot).await;
        }
        return Ok(());
    }
    for resource in context.store.list_labelled::<Snapshot>(LABEL_VOLUME, source).await? {
        let is_it = layer_name(&resource) == snapshot && is_for(&resource.status.labels, target);
        if is_it && !resource.is_deleting() {
            context.store.delete::<Snapshot>(resource.name()).await?;
        }
    }
    Ok(())
}

/// A snapshot that a user gave the same name is none of ours.
fn is_for<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>, target: &str) -> bool {
    labels.into_iter().any(|(label, of)| label == LABEL_FOR && of == target)
}

fn client(context: &Context, engine: &Object<Engine>) -> Result<EngineClient<Channel>, ClientError> {
    context.clients.engine(&engine.status.address)
}

async fn status(context: &Context, engine: &Object<Engine>) -> Result<EngineStatus, Error> {
    let told = client(context, engine)?.status(within(LOOK_TIMEOUT, StatusRequest {})).await;
    Ok(told.map_err(rpc(format!("asking engine {}", engine.name())))?.into_inner())
}

/// Tells a refusal from a failure to ask.
fn refusal<T>(answer: Result<T, ClientError>) -> Result<Result<(), String>, Error> {
    match answer {
        Ok(_) => Ok(Ok(())),
        Err(error) if error.is_unreachable() => Err(error.into()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aurochs_engine::grpc::engine_v1::Snapshot;

    #[test]
    fn the_snapshot_itself_says_that_the_copy_is_there() {
        let clone = |state: Told| EngineStatus {
            clone: Some(CloneStatus { state: state.into(), error: "no source".into(), ..CloneStatus::default() }),
            ..EngineStatus::default()
        };
        assert_eq!(judge(&EngineStatus::default(), "s"), Copying::NotBegun);
        assert_eq!(judge(&clone(Told::InProgress), "s"), Copying::Running);
        assert_eq!(judge(&clone(Told::Failed), "s"), Copying::Ended("no source".into()));
        // An engine that was started again knows nothing of the copy that went before.
        let snapshots = vec![Snapshot { name: "s".into(), ..Snapshot::default() }];
        assert_eq!(judge(&EngineStatus { snapshots, ..EngineStatus::default() }, "s"), Copying::There(None));
        // Taken on top of something else: not the copy, unless the engine has just made it.
        let snapshots = vec![Snapshot { name: "s".into(), parent: "grown".into(), ..Snapshot::default() }];
        let other = EngineStatus { snapshots: snapshots.clone(), ..EngineStatus::default() };
        assert_eq!(judge(&other, "s"), Copying::NotBegun);
        let clone = CloneStatus {
            state: Told::Complete.into(),
            snapshot: "s".into(),
            planned_bytes: 7,
            ..CloneStatus::default()
        };
        let told = Copying::There(Some(told::clone(&clone)));
        assert_eq!(judge(&EngineStatus { snapshots, clone: Some(clone), ..other }, "s"), told);
    }
}
