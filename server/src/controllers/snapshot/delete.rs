//! Deleting a snapshot: its layer is marked removed, what it alone holds is merged away by a purge, and then the resource
//! goes.
//!
//! ```text
//!  live ──mark──► removed ──one snapshot stands on it: purge──► gone
//!                    │ only the head stands on it, several do, or purges are switched off: it stays, and says why
//! ```
//! Invariant: only a layer that the resource owns is marked, in the engine of the resource's own volume.

use std::collections::BTreeMap;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_engine::grpc::engine_v1::SnapshotNameRequest;

use super::super::{Context, Error};
use super::names;
use crate::events::{EventType, ObjectRef, Reason};
use crate::instance::{CHANGE_TIMEOUT, ClientError, rpc, within};
use crate::resources::snapshot::SnapshotStatus;
use crate::resources::{Engine, Object, Snapshot};

/// What can become of a removed layer now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A purge merges it into the one snapshot that stands on it, or deletes it where nothing does.
    Mergeable,
    /// Only the head stands on it, and the head is written to: a purge frees what the head hides and leaves the rest.
    BelowHead,
    /// Several stand on it, and each needs what it holds.
    Branches,
}

#[must_use]
pub fn fate(children: &BTreeMap<String, bool>) -> Fate {
    match children.len() {
        0 => Fate::Mergeable,
        1 if children.contains_key(VOLUME_HEAD) => Fate::BelowHead,
        1 => Fate::Mergeable,
        _ => Fate::Branches,
    }
}

/// The next step of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Mark,
    Purge,
    Stay(&'static str),
}

const BELOW_HEAD: &str =
    "marked removed; it is below the head, which is written to. Take another snapshot, then it goes";
const BRANCHES: &str = "marked removed; several snapshots stand on it. Delete all but one of them, then it goes";
const PURGE_DISABLED: &str =
    "marked removed; the setting disable-snapshot-purge keeps it. Set it to false, then it goes";

/// For a resource that is being deleted and whose layer is as this status says.
pub(super) fn step(status: &SnapshotStatus, purge_disabled: bool) -> Step {
    if !status.mark_removed {
        return Step::Mark;
    }
    match fate(&status.children) {
        Fate::BelowHead => Step::Stay(BELOW_HEAD),
        Fate::Branches => Step::Stay(BRANCHES),
        Fate::Mergeable if purge_disabled => Step::Stay(PURGE_DISABLED),
        Fate::Mergeable => Step::Purge,
    }
}

/// Why a snapshot that is to go is still there, when nothing is under way.
pub(super) fn why_it_stays(
    snapshot: &Object<Snapshot>,
    status: &SnapshotStatus,
    purge_disabled: bool,
) -> Option<&'static str> {
    match step(status, purge_disabled) {
        Step::Stay(why) if snapshot.is_deleting() => Some(why),
        _ => None,
    }
}

/// What became of a try to mark layers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marking {
    pub marked: bool,
    /// The engine said no to one, which ends by itself: something else was at work.
    pub refused: bool,
}

/// Marks every layer whose resource is being deleted.
pub(super) async fn mark_all(
    context: &Context,
    engine: &Object<Engine>,
    known: &[Object<Snapshot>],
) -> Result<Marking, Error> {
    let purge_disabled = super::purge::is_disabled(context);
    let mut marking = Marking::default();
    for snapshot in known.iter().filter(|snapshot| snapshot.is_deleting() && names::was_taken(snapshot)) {
        if step(&snapshot.status, purge_disabled) == Step::Mark {
            match mark(context, engine, snapshot).await {
                Ok(()) => marking.marked = true,
                Err(error) if error.is_unreachable() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(volume = engine.spec.volume_name, %error, "a snapshot is not deleted yet");
                    marking.refused = true;
                }
            }
        }
    }
    Ok(marking)
}

async fn mark(context: &Context, engine: &Object<Engine>, snapshot: &Object<Snapshot>) -> Result<(), ClientError> {
    let (name, volume) = (names::layer_name(snapshot), &engine.spec.volume_name);
    let request = within(CHANGE_TIMEOUT, SnapshotNameRequest { name: name.to_owned() });
    let deleted = context.clients.engine(&engine.status.address)?.snapshot_delete(request).await;
    deleted.map_err(rpc(format!("deleting snapshot {name} of volume {volume}")))?;
    tracing::info!(volume, snapshot = name, "snapshot marked as removed");
    let about = ObjectRef::from(snapshot);
    context.events.emit(&about, Reason::Delete, EventType::Normal, "the snapshot is marked as removed");
    Ok(())
}
