//! Who stands on whom, and which layers still matter to somebody.
//!
//! Members of a volume purge at their own pace: one may still have a removed layer that another has merged or deleted.
//! What must come out the same on all of them is therefore decided by what a purge never changes. A layer *matters*
//! if a live layer or the head is among those that stand on it, itself included. A removed layer in whose subtree
//! nothing is live never matters again: nobody can go back to it, and each member deletes it some time.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::Records;
use super::raw_layers::LayerInfo;

/// The layers of one replica, those of other branches included.
pub(crate) struct Tree<'a> {
    head: &'a str,
    layers: BTreeMap<&'a str, Layer<'a>>,
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    parent: &'a str,
    /// Not marked as removed; the head is live.
    live: bool,
    has_image: bool,
}

/// What users see of a tree: every live snapshot and the head with the live snapshot that it goes back to. Two members
/// whose views are equal differ at most in how far they have purged.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LiveView<'a> {
    /// Name → nearest live layer below, empty for none.
    pub(crate) snapshots: BTreeMap<&'a str, &'a str>,
    /// Nearest live layer below the head, empty for none.
    pub(crate) head_on: &'a str,
    /// Live snapshots that cannot be read, because an image of their chain is missing.
    pub(crate) unreadable: BTreeSet<&'a str>,
}

impl LiveView<'_> {
    /// How many live snapshots have all their data.
    pub(crate) fn readable(&self) -> usize {
        self.snapshots.len() - self.unreadable.len()
    }
}

impl<'a> Tree<'a> {
    pub(super) fn of_records(records: &'a Records, head: &'a str) -> Self {
        let describe = |(name, record): (&'a String, &'a super::metadata::LayerMeta)| {
            let (live, has_image) = (!record.removed || name == head, !records.lacks_image(name));
            (name.as_str(), Layer { parent: &record.parent, live, has_image })
        };
        Self { head, layers: records.0.iter().map(describe).collect() }
    }

    pub(crate) fn of_layers(layers: &'a [LayerInfo]) -> Self {
        let head = layers.iter().find(|layer| layer.is_head).map_or("", |head| head.file_name.as_str());
        let describe = |layer: &'a LayerInfo| {
            let (live, has_image) = (!layer.removed || layer.is_head, !layer.image_missing);
            (layer.file_name.as_str(), Layer { parent: &layer.parent, live, has_image })
        };
        Self { head, layers: layers.iter().map(describe).collect() }
    }

    /// The removed layers directly below the head that a discard punches: down to the first live layer, or the first
    /// on which more than one mattering layer stands, because then somebody else sees through it too.
    pub(crate) fn discardable(&self) -> Vec<&'a str> {
        let shared = self.shared();
        self.below(self.head).take_while(|name| !self.is_live(name) && !shared.contains(name)).collect()
    }

    /// The live snapshots below the head that nothing else needs: those that a discard marks where the volume is set
    /// to do so, down to the first layer on which more than one mattering layer stands.
    pub(crate) fn markable(&self) -> Vec<&'a str> {
        let shared = self.shared();
        self.below(self.head).take_while(|name| !shared.contains(name)).filter(|name| self.is_live(name)).collect()
    }

    /// The head and every removed layer below it, down to the first live one: where members may differ while a
    /// request is in flight.
    pub(crate) fn unsettled(&self) -> Vec<&'a str> {
        let below = self.below(self.head).take_while(|name| !self.is_live(name));
        std::iter::once(self.head).chain(below).collect()
    }

    pub(crate) fn live_view(&self) -> LiveView<'a> {
        let live = self.layers.iter().filter(|(name, layer)| layer.live && **name != self.head);
        let snapshots: BTreeMap<_, _> = live.map(|(name, _)| (*name, self.live_below(name))).collect();
        let unreadable = snapshots.keys().copied().filter(|name| !self.is_readable(name)).collect();
        LiveView { snapshots, head_on: self.live_below(self.head), unreadable }
    }

    fn is_readable(&self, name: &'a str) -> bool {
        let has_image = |name: &str| self.layers.get(name).is_none_or(|layer| layer.has_image);
        has_image(name) && self.below(name).all(has_image)
    }

    fn is_live(&self, name: &str) -> bool {
        self.layers.get(name).is_some_and(|layer| layer.live)
    }

    fn live_below(&self, name: &str) -> &'a str {
        self.below(name).find(|name| self.is_live(name)).unwrap_or_default()
    }

    /// What `name` stands on, nearest first. A circle of parents, which no open replica has, ends it too.
    fn below(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let parent_of = |name: &str| {
            let parent = self.layers.get(name)?.parent;
            self.layers.contains_key(parent).then_some(parent)
        };
        std::iter::successors(parent_of(name), move |name| parent_of(name)).take(self.layers.len())
    }

    /// Layers on which more than one mattering layer stands.
    fn shared(&self) -> BTreeSet<&'a str> {
        let mut mattering = BTreeSet::new();
        for (name, _) in self.layers.iter().filter(|(_, layer)| layer.live) {
            if mattering.insert(*name) {
                // An ancestor that is known to matter has ancestors that are known to.
                self.below(name).take_while(|below| mattering.insert(below)).for_each(drop);
            }
        }
        let mut stood_on = BTreeSet::new();
        let parents = mattering.iter().filter_map(|name| self.layers.get(name)).map(|layer| layer.parent);
        parents.filter(|parent| !stood_on.insert(*parent)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::metadata::LayerMeta;

    /// `name parent`, `-` for no parent; a name with `!` is marked as removed.
    fn records(layers: &[(&str, &str)]) -> Records {
        let meta = |name: &str, parent: &str| LayerMeta {
            removed: name.ends_with('!'),
            ..LayerMeta::head(name, parent.trim_start_matches('-').trim_end_matches('!'), "")
        };
        let describe = |(name, parent): &(&str, &str)| (name.trim_end_matches('!').to_owned(), meta(name, parent));
        Records::of(layers.iter().map(describe).collect())
    }

    fn discardable(layers: &[(&str, &str)]) -> Vec<String> {
        let records = records(layers);
        Tree::of_records(&records, "h").discardable().into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_discard_stops_at_the_first_live_layer() {
        assert_eq!(discardable(&[("h", "b"), ("b", "a"), ("a!", "-")]), [""; 0], "Longhorn would punch b");
        assert_eq!(discardable(&[("h", "c"), ("c!", "b"), ("b!", "a"), ("a", "z"), ("z!", "-")]), ["c", "b"]);
        assert_eq!(discardable(&[("h", "a"), ("a!", "-")]), ["a"]);
        assert_eq!(discardable(&[("h", "-")]), [""; 0]);
    }

    #[test]
    fn a_discard_stops_at_a_branch_that_somebody_sees_through() {
        let seen = [("h", "b"), ("b!", "a"), ("a!", "-"), ("x!", "a"), ("y", "x")];
        assert_eq!(discardable(&seen), ["b"]);
        let dead = [("h", "b"), ("b!", "a"), ("a!", "-"), ("x!", "a"), ("y!", "x")];
        assert_eq!(discardable(&dead), ["b", "a"], "another member may have deleted that branch already");
    }

    #[test]
    fn a_branch_whose_image_is_missing_is_one_that_somebody_may_see_again() {
        let mut records = records(&[("h", "b"), ("b!", "a"), ("a!", "-"), ("x!", "a"), ("y", "x")]);
        let whole = Tree::of_records(&records, "h").live_view().readable();
        records.note_missing_image("x");
        let tree = Tree::of_records(&records, "h");
        assert_eq!(tree.discardable(), ["b"]);
        let view = tree.live_view();
        assert_eq!((view.unreadable.iter().copied().collect::<Vec<_>>(), view.readable()), (vec!["y"], whole - 1));
    }

    #[test]
    fn what_may_be_marked_ends_at_a_branch() {
        let records = records(&[("h", "c"), ("c", "b"), ("b!", "a"), ("a", "z"), ("z", "-"), ("x", "z")]);
        let tree = Tree::of_records(&records, "h");
        assert_eq!(tree.markable(), ["c", "a"]);
        assert_eq!(tree.unsettled(), ["h"]);
    }

    #[test]
    fn how_far_a_purge_got_does_not_show_in_the_live_view() {
        let view = |layers: &[(&str, &str)]| {
            let records = records(layers);
            let tree = Tree::of_records(&records, "h");
            let view = tree.live_view();
            let own = |(name, on): (&&str, &&str)| ((*name).to_owned(), (*on).to_owned());
            (view.snapshots.iter().map(own).collect::<Vec<_>>(), view.head_on.to_owned())
        };
        let before = view(&[("h", "d"), ("d!", "c"), ("c", "b"), ("b!", "a"), ("a", "-"), ("x!", "b")]);
        assert_eq!(before, view(&[("h", "d"), ("d!", "c"), ("c", "a"), ("a", "-")]));
        assert_ne!(before, view(&[("h", "a"), ("c", "a"), ("a", "-")]));
    }
}
