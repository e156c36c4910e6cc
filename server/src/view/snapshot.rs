//! Snapshots of a volume: as its running engine tells them, and as resources.

use std::collections::BTreeMap;

use aurochs_api::schema::Resource;
use aurochs_api::snapshot::{Snapshot, SnapshotCr};

use super::causes;
use super::envelope::Links;
use crate::controllers::snapshot::layer_name;
use crate::resources::snapshot::visible_labels;
use crate::resources::{Object, Snapshot as Kind};

/// What a volume's Snapshot resources know of its layers and the engine does not.
#[derive(Debug, Default)]
pub struct Checksums(BTreeMap<String, String>);

impl Checksums {
    #[must_use]
    pub fn of(resources: &[Object<Kind>]) -> Self {
        let checksum = |one: &Object<Kind>| (layer_name(one).to_owned(), one.status.checksum.clone());
        // One that waits for its snapshot may have the name of another layer; it has no checksum.
        Self(resources.iter().map(checksum).filter(|(_, checksum)| !checksum.is_empty()).collect())
    }
}

/// A snapshot is no top-level thing: it is reached by its volume's actions.
#[must_use]
pub fn resource(mut snapshot: Snapshot, checksums: &Checksums, links: Links<'_>) -> Resource<Snapshot> {
    let id = snapshot.name.clone();
    snapshot.labels = snapshot.labels.map(|labels| visible_labels(Some(&labels)));
    if let Some(checksum) = checksums.0.get(&id) {
        snapshot.checksum.clone_from(checksum);
    }
    links.resource("snapshot", &id, &[], snapshot)
}

/// The resource, with the labels that were asked for; those that the engine has where none were.
#[must_use]
pub fn custom_resource(snapshot: &Object<Kind>, links: Links<'_>) -> Resource<SnapshotCr> {
    let (metadata, spec, status) = (&snapshot.metadata, &snapshot.spec, &snapshot.status);
    let view = SnapshotCr {
        name: metadata.name.clone(),
        volume: spec.volume.clone(),
        cr_creation_time: metadata.creation_timestamp.clone(),
        create_snapshot: spec.create_snapshot,
        owner_id: status.owner_id.clone(),
        parent: status.parent.clone(),
        children: status.children.clone(),
        mark_removed: status.mark_removed,
        user_created: status.user_created,
        creation_time: status.creation_time.clone(),
        ready_to_use: status.ready_to_use,
        restore_size: status.restore_size,
        size: status.size,
        labels: if spec.labels.is_empty() { status.labels.clone() } else { spec.labels.clone() },
        checksum: status.checksum.clone(),
        error: status.error.clone(),
        causes: causes::of_snapshot(snapshot),
    };
    links.resource("snapshotCR", snapshot.name(), &[], view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::snapshot::{LABEL_TAKEN_FOR, SnapshotSpec, SnapshotStatus};

    #[test]
    fn people_see_their_own_labels_and_the_checksum() {
        let mut known = Object::<Kind>::new("s", SnapshotSpec::default());
        known.status = SnapshotStatus { checksum: "0123".into(), ..SnapshotStatus::default() };
        let labels = [("app".to_owned(), "db".to_owned()), (LABEL_TAKEN_FOR.to_owned(), "uid".to_owned())];
        let layer = Snapshot { name: "s".into(), labels: Some(labels.into()), ..Snapshot::default() };
        let shown = resource(layer, &Checksums::of(&[known.clone()]), Links::new("")).data;
        assert_eq!(shown.labels, Some([("app".to_owned(), "db".to_owned())].into()));
        assert_eq!(shown.checksum, "0123");

        known.status.labels = [("of".to_owned(), "status".to_owned())].into();
        assert_eq!(custom_resource(&known, Links::new("")).data.labels["of"], "status");
        known.spec.labels = [("of".to_owned(), "spec".to_owned())].into();
        assert_eq!(custom_resource(&known, Links::new("")).data.labels["of"], "spec");
    }
}
