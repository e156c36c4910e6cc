//! The entries of one kind, and the best of all kinds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

use aurochs_api::search::FoundKind;

use super::entry::{Entry, Weight};
use super::kinds::Searched;
use super::words::{Rank, Words};
use crate::resources::Object;

/// Where something was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) kind: FoundKind,
    /// Of the object that has it.
    pub(super) object: String,
    /// Of a part of that object; empty for the object itself.
    pub(super) part: String,
}

/// See the module.
pub(super) struct Shelf<K: Searched> {
    /// By name: version, and the entries of the object and its parts.
    objects: BTreeMap<String, (String, Vec<Part>)>,
    kind: std::marker::PhantomData<K>,
}

/// An entry with the part of the object that it is of.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) kind: FoundKind,
    pub(super) part: String,
    pub(super) entry: Entry,
}

impl<K: Searched> Default for Shelf<K> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), kind: std::marker::PhantomData }
    }
}

impl<K: Searched> Shelf<K> {
    /// Takes over all objects as they are now; those that did not change are left alone.
    pub(super) fn replace(&mut self, objects: Vec<Arc<Object<K>>>) {
        let mut vanished: BTreeSet<String> = self.objects.keys().cloned().collect();
        for object in objects {
            vanished.remove(object.name());
            let known = self.objects.get(object.name());
            if known.is_none_or(|(version, _)| *version != object.metadata.resource_version) {
                self.put(object.name(), Some(&*object));
            }
        }
        vanished.iter().for_each(|name| self.put(name, None));
    }

    /// Takes over one object as it is now; none when it is gone.
    pub(super) fn put(&mut self, name: &str, object: Option<&Object<K>>) {
        match object {
            Some(object) => {
                let entries = K::parts(object);
                self.objects.insert(name.to_owned(), (object.metadata.resource_version.clone(), entries));
            }
            None => {
                self.objects.remove(name);
            }
        }
    }

    pub(super) fn collect(&self, words: &Words, best: &mut Best) {
        if !best.wants_any(K::KINDS) {
            return;
        }
        for (name, (_, parts)) in &self.objects {
            for part in parts {
                best.offer(words, part.kind, &part.entry, || (name.clone(), part.part.clone()));
            }
        }
    }
}

/// The best so far, and how many there are of each kind.
pub(super) struct Best<'a> {
    kinds: &'a BTreeSet<FoundKind>,
    limit: usize,
    counts: BTreeMap<FoundKind, u64>,
    /// The worst of the best is on top.
    heap: BinaryHeap<(Order, Place)>,
}

/// Smaller is better.
type Order = (Rank, Reverse<Weight>, usize);

impl<'a> Best<'a> {
    pub(super) fn new(kinds: &'a BTreeSet<FoundKind>, limit: usize) -> Self {
        let wanted = FoundKind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind));
        Self { kinds, limit, counts: wanted.map(|kind| (kind, 0)).collect(), heap: BinaryHeap::new() }
    }

    fn wants(&self, kind: FoundKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    fn wants_any(&self, kinds: &[FoundKind]) -> bool {
        kinds.iter().any(|kind| self.wants(*kind))
    }

    /// `place` gives object and part; it is asked for only when the entry is among the best.
    pub(super) fn offer(
        &mut self,
        words: &Words,
        kind: FoundKind,
        entry: &Entry,
        place: impl FnOnce() -> (String, String),
    ) {
        if !self.wants(kind) {
            return;
        }
        let Some(rank) = words.rank(entry) else { return };
        *self.counts.entry(kind).or_default() += 1;
        let order = (rank, Reverse(entry.weight), entry.name().len());
        let is_full = self.heap.len() >= self.limit;
        if self.limit == 0 || (is_full && self.heap.peek().is_some_and(|(worst, _)| *worst <= order)) {
            return;
        }
        let (object, part) = place();
        self.heap.push((order, Place { kind, object, part }));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    pub(super) fn done(self) -> (BTreeMap<FoundKind, u64>, Vec<Place>) {
        (self.counts, self.heap.into_sorted_vec().into_iter().map(|(_, place)| place).collect())
    }
}
