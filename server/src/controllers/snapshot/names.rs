//! Which layer of its volume a Snapshot resource stands for.
//!
//! Names of resources are global, names of layers are one volume's, and a layer of the wished name may be somebody
//! else's. Two notes tie both together, each written in one step with what it is about:
//! - a layer that was taken for a resource carries the resource's uid among its labels;
//! - a resource that was made for a layer names the layer in an annotation, where its own name differs.

use std::collections::BTreeMap;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::snapshot::Snapshot as Layer;

use crate::resources::snapshot::{ANNOTATION_LAYER, LABEL_TAKEN_FOR};
use crate::resources::{Object, Snapshot, Volume};

/// The layers of a volume, `volume-head` included, as its engine tells them.
pub(super) type Layers = BTreeMap<String, Layer>;

/// The name that the engine knows the snapshot by.
#[must_use]
pub fn layer_name(snapshot: &Object<Snapshot>) -> &str {
    let noted = snapshot.metadata.annotations.get(ANNOTATION_LAYER);
    // Who asks for a snapshot gets it under the resource's own name.
    noted.filter(|_| !snapshot.spec.create_snapshot).map_or(snapshot.name(), String::as_str)
}

/// Whether its snapshot was once there.
pub(super) fn was_taken(snapshot: &Object<Snapshot>) -> bool {
    !snapshot.status.creation_time.is_empty()
}

/// Whether no engine has heard of it: it asks for a snapshot, and nothing was tried. One that was made for a layer has the
/// layer, whatever its status says.
pub(super) fn was_never_asked(snapshot: &Object<Snapshot>) -> bool {
    snapshot.spec.create_snapshot && !was_taken(snapshot) && snapshot.status.requested_time.is_empty()
}

/// Whether this layer of the resource's volume is the one that the resource stands for. A layer of the right name that
/// neither was taken for it nor was shown by it before is another one.
#[must_use]
pub fn owns(snapshot: &Object<Snapshot>, layer: &Layer) -> bool {
    if layer.name == VOLUME_HEAD || layer_name(snapshot) != layer.name {
        return false;
    }
    let taken_for = layer.labels.as_ref().and_then(|labels| labels.get(LABEL_TAKEN_FOR));
    !snapshot.spec.create_snapshot
        || taken_for == Some(&snapshot.metadata.uid)
        || was_taken(snapshot) && snapshot.status.creation_time == layer.created
}

/// Labels that the engine gets with a snapshot.
pub(super) fn labels_for_engine(snapshot: &Object<Snapshot>) -> BTreeMap<String, String> {
    let mut labels = snapshot.spec.labels.clone();
    labels.insert(LABEL_TAKEN_FOR.to_owned(), snapshot.metadata.uid.clone());
    labels
}

/// Names for a resource that is made for a layer, best first: others may be taken by other volumes' snapshots.
pub(super) fn names_for(volume: &Object<Volume>, layer: &str) -> [String; 3] {
    let (name, uid) = (volume.name(), &volume.metadata.uid);
    [layer.to_owned(), format!("{name}.{layer}"), format!("{name}.{layer}.{uid}")]
}
