//! Whether the live data differs from the last snapshot that a user has.
//!
//! What was written since lies in the head, or in layers below it that are no user's snapshots: removed ones, and those
//! that a rebuild or an expansion left. Their sizes on the disk tell. A write shows there at once, also one of zeros where
//! they hide something; a discard empties them and brings back what lies below, which is the snapshot's own data.
//!
//! Invariant: **no size where data differs.** The other way round it may be: the same bytes written again, or zeros where
//! nothing was, are a size without a difference, and cost a snapshot.

use std::collections::BTreeMap;

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::size::ByteSize;
use aurochs_api::snapshot::Snapshot as Layer;

/// What was written since the last snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewData<'a> {
    /// On the disk of one replica.
    pub size: ByteSize,
    /// The snapshot below; none when there is none.
    pub since: Option<&'a str>,
}

impl<'a> NewData<'a> {
    /// `layers` as the engine tells them now.
    #[must_use]
    pub fn of(layers: &'a BTreeMap<String, Layer>) -> Self {
        let chain = std::iter::successors(layers.get(VOLUME_HEAD), |layer| layers.get(&layer.parent));
        let mut size = 0_u64;
        for layer in chain.take(layers.len()) {
            let is_snapshot = layer.name != VOLUME_HEAD && layer.usercreated && !layer.removed;
            if is_snapshot {
                return Self { size: ByteSize(size), since: Some(&layer.name) };
            }
            size = size.saturating_add(layer.size.bytes());
        }
        Self { size: ByteSize(size), since: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, parent: &str, size: u64, usercreated: bool, removed: bool) -> (String, Layer) {
        let layer = Layer {
            name: name.into(),
            parent: parent.into(),
            size: ByteSize(size),
            usercreated,
            removed,
            ..Layer::default()
        };
        (name.to_owned(), layer)
    }

    #[test]
    fn what_lies_above_the_last_snapshot() {
        let head = |parent, size| layer(VOLUME_HEAD, parent, size, false, false);
        let (live, removed, system) = (
            layer("live", "", 70, true, false),
            layer("gone", "live", 7, true, true),
            layer("rebuilt", "gone", 4, false, false),
        );
        for (layers, size, since) in [
            (vec![head("", 0)], 0, None),
            (vec![head("", 9)], 9, None),
            (vec![head("live", 0), live.clone()], 0, Some("live")),
            (vec![head("live", 9), live.clone()], 9, Some("live")),
            // The user gave up the last snapshot: what it held is in no other.
            (vec![head("gone", 0), removed.clone(), live.clone()], 7, Some("live")),
            (vec![head("rebuilt", 1), system.clone(), removed.clone(), live.clone()], 12, Some("live")),
            (vec![head("rebuilt", 0), layer("rebuilt", "", 4, false, false)], 4, None),
            // A branch that the head does not stand on.
            (vec![head("live", 0), live.clone(), layer("newer", "live", 50, true, false)], 0, Some("live")),
            (vec![], 0, None),
        ] {
            let layers = layers.into_iter().collect();
            assert_eq!(NewData::of(&layers), NewData { size: ByteSize(size), since }, "{layers:?}");
        }
        let ring = [head("a", 1), layer("a", "a", 1, false, false)].into();
        assert!(NewData::of(&ring).since.is_none());
    }
}
