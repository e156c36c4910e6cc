//! Which layers have to come from one source together.
//!
//! What is seen from a live layer is the same on every member (SAFETY.md, I6), whichever layer holds a block. So live
//! layers may come from different members: for a block that a layer holds, its source shows what all show from there;
//! for one that it does not hold, its source shows what is seen from the parent, which all agree on in turn. From a
//! *removed* layer members may show different bytes (a purge merges it with another, a discard goes through it), and
//! what stands on it makes up for that. So removed layers come from the same member as everything that stands on them,
//! up to the next live layers.
//!
//! Invariant: every group of the copy is one member's, to the last hole.

use std::collections::BTreeMap;

use crate::replica::LayerInfo;

/// Layers that one source has to give.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) layers: Vec<LayerInfo>,
    /// Bytes that the layers are thought to hold together.
    pub(super) planned_bytes: u64,
    /// A source was lost in the middle: what it gave has to go first.
    pub(super) is_begun: bool,
}

impl Group {
    /// Every layer that matters but the head, in groups; none whose image is lost. The head stands on a live layer while a replica joins. Removed
    /// layers that nothing live stands on stay empty: nobody can go back to them, and some members have deleted them.
    pub(super) fn all_of(layers: &[LayerInfo]) -> Vec<Self> {
        let by_name: BTreeMap<&str, &LayerInfo> =
            layers.iter().map(|layer| (layer.file_name.as_str(), layer)).collect();
        let mut groups: BTreeMap<&str, Vec<LayerInfo>> = BTreeMap::new();
        for layer in layers.iter().filter(|layer| !layer.is_head && !layer.image_missing) {
            groups.entry(lowest(layer, &by_name)).or_default().push(layer.clone());
        }
        let group = |layers| Self { layers, planned_bytes: 0, is_begun: false };
        groups.into_values().filter(|layers| layers.iter().any(|layer| !layer.removed)).map(group).collect()
    }

    /// Whether a member has these very layers. One that has purged a part of them shows the same, and holds it
    /// differently.
    pub(super) fn is_held_by(&self, has: &[LayerInfo]) -> bool {
        let same = |a: &LayerInfo, b: &LayerInfo| {
            (&a.file_name, &a.parent, a.removed) == (&b.file_name, &b.parent, b.removed)
                && !b.is_head
                && !b.image_missing
        };
        self.layers.iter().all(|layer| has.iter().any(|other| same(layer, other)))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.layers.iter().map(|layer| layer.file_name.clone()).collect()
    }
}

/// The lowest layer of a layer's group: down from it as long as there are removed ones.
fn lowest<'all>(layer: &'all LayerInfo, by_name: &BTreeMap<&str, &'all LayerInfo>) -> &'all str {
    let mut lowest = layer;
    // No chain is longer than there are layers.
    for _ in 0..by_name.len() {
        match by_name.get(lowest.parent.as_str()) {
            Some(parent) if parent.removed => lowest = parent,
            _ => break,
        }
    }
    &lowest.file_name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name<parent`, a removed one with `!` in front; the head is `head`.
    fn layers(text: &str) -> Vec<LayerInfo> {
        let layer = |word: &str| {
            let (name, parent) = word.split_once('<').unwrap();
            let (removed, name) = name.strip_prefix('!').map_or((false, name), |name| (true, name));
            LayerInfo {
                file_name: name.to_owned(),
                parent: parent.to_owned(),
                removed,
                user_created: true,
                created: String::new(),
                labels: BTreeMap::new(),
                allocated_bytes: 0,
                file_size: 4096,
                is_head: name == "head",
                image_missing: false,
            }
        };
        text.split_whitespace().map(layer).collect()
    }

    fn groups(text: &str) -> Vec<String> {
        Group::all_of(&layers(text)).iter().map(|group| group.names().join(" ")).collect()
    }

    #[test]
    fn removed_layers_go_with_all_that_stands_on_them() {
        assert_eq!(groups("a< b<a head<b"), ["a", "b"]);
        assert_eq!(groups("a< !r<a !q<r b<q c<r d<c head<d"), ["a", "d", "r q b c"]);
        assert_eq!(groups("!r< a<r head<a"), ["r a"]);
        assert_eq!(groups("a< !dead<a !too<dead b<a head<b"), ["a", "b"]);
        assert_eq!(groups("head<"), Vec::<String>::new());
    }

    #[test]
    fn a_member_that_has_purged_a_part_gives_only_the_rest() {
        let all = layers("a< !r<a b<r c<b head<c");
        let purged = layers("a< b<a c<b new<c head<new");
        let held: Vec<bool> = Group::all_of(&all).iter().map(|group| group.is_held_by(&purged)).collect();
        assert_eq!(
            (groups("a< !r<a b<r c<b head<c"), held),
            (vec!["a".into(), "c".into(), "r b".into()], vec![true, true, false])
        );
    }
}
