//! Snapshots that were taken of a volume for copies of it. A copy removes its own when it has its data; one that could not
//! be removed then, because the engine was at other work or the manager died, is found and deleted here.

use super::super::volume::clone::{LABEL_FOR, helper_name};
use super::super::{Context, Error};
use super::names::layer_name;
use crate::resources::data_source::DataSource;
use crate::resources::{Object, Snapshot, Volume};

/// Volumes whose snapshots a change of this volume matters to: its own, and for a copy its source's.
pub(super) fn concerned(volume: &Object<Volume>) -> Vec<String> {
    let source = volume.spec.data_source.parse::<DataSource>().ok();
    source.map(|source| source.volume.to_string()).into_iter().chain([volume.name().to_owned()]).collect()
}

/// Asks for the deletion of those that no copy needs any more.
pub(super) async fn let_go(context: &Context, known: &[Object<Snapshot>]) -> Result<(), Error> {
    for snapshot in known.iter().filter(|snapshot| !snapshot.is_deleting()) {
        let Some(target) = snapshot.status.labels.get(LABEL_FOR) else { continue };
        let target = context.store.find::<Volume>(target).await?;
        if !is_needed(snapshot, target.as_ref()) {
            tracing::info!(snapshot = snapshot.name(), "no copy needs it any more");
            context.store.delete::<Snapshot>(snapshot.name()).await?;
        }
    }
    Ok(())
}

/// Invariant: a snapshot that a user took is never deleted here, whatever labels it has: only the name that follows from a
/// copy's uid makes it one of ours.
fn is_needed(snapshot: &Object<Snapshot>, target: Option<&Object<Volume>>) -> bool {
    let name = layer_name(snapshot);
    match target {
        Some(target) if helper_name(target) == name => !target.is_filled(),
        // Its target is gone, or another volume has the target's name now.
        _ => snapshot.spec.create_snapshot || !is_helper_name(name),
    }
}

fn is_helper_name(name: &str) -> bool {
    let digits = name.strip_prefix("clone-").unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::snapshot::SnapshotSpec;
    use crate::resources::volume::{CloneState, VolumeSpec};

    fn copy(uid: &str, state: CloneState) -> Object<Volume> {
        let spec = VolumeSpec { data_source: "vol://source".into(), ..VolumeSpec::default() };
        let mut copy = Object::<Volume>::new("copy", spec);
        copy.metadata.uid = uid.into();
        copy.status.clone_status.state = state;
        copy
    }

    #[test]
    fn a_snapshot_taken_for_a_copy_goes_when_the_copy_has_its_data() {
        let taken = |name: &str| Object::<Snapshot>::new(name, SnapshotSpec::default());
        let needed = |name: &str, copy: Option<&Object<Volume>>| is_needed(&taken(name), copy);
        let uid = "6c9359a2-2063-421b";
        for (state, expected) in [
            (CloneState::None, true),
            (CloneState::Initiated, true),
            (CloneState::Failed, true),
            (CloneState::CopyCompletedAwaitingHealthy, false),
            (CloneState::Completed, false),
        ] {
            assert_eq!(needed("clone-6c9359a2", Some(&copy(uid, state))), expected, "{state:?}");
        }
        assert!(!needed("clone-6c9359a2", None), "the copy is gone");
        assert!(!needed("clone-6c9359a2", Some(&copy("00000000-1", CloneState::None))), "another one has its name");
        assert!(needed("before-upgrade", None), "a user's snapshot with that label stays");
        assert_eq!(concerned(&copy(uid, CloneState::None)), ["source", "copy"]);
    }
}
