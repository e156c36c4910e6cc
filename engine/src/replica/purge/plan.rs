//! Which step comes next, from nothing but the tree.
//!
//! Leaves go first, since a layer whose other children are gone can be merged. Merges go from the root up: each then
//! copies what its child alone holds, and nothing is copied twice. The layer under the head comes last.

use std::collections::BTreeMap;

use crate::disk::BLOCK_SIZE;
use crate::disk::image::{Access, ImageFile};
use crate::replica::ReplicaError;
use crate::replica::chain::Records;
use crate::replica::directory::Directory;
use crate::replica::stack::{Structure, held};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A removed layer that nothing stands on.
    Delete(String),
    /// A removed layer and the only one that stands on it, which is not the head.
    Coalesce {
        removed: String,
        child: String,
    },
    /// A removed layer on which only the head stands.
    Prune {
        removed: String,
    },
    Nothing,
}

/// `pruned` is the layer that needs no second look.
pub(super) fn next(records: &Records, head: &str, pruned: Option<&str>) -> Action {
    let removed: Vec<&String> =
        records.0.iter().filter(|(name, record)| record.removed && *name != head).map(|(name, _)| name).collect();
    let children = children(records);
    let only_child = |name: &str| match children.get(name).map(Vec::as_slice) {
        Some([child]) if have_images(records, name, child) => Some(*child),
        _ => None,
    };
    if let Some(leaf) = removed.iter().find(|name| !children.contains_key(name.as_str())) {
        return Action::Delete((*leaf).clone());
    }
    let mergeable =
        removed.iter().filter_map(|name| Some((*name, only_child(name)?))).filter(|(_, child)| *child != head);
    // A circle, which no open replica has, would have no depth.
    let depth = |name: &str| records.chain_from(name).map_or(usize::MAX, |chain| chain.len());
    if let Some((removed, child)) = mergeable.min_by_key(|(name, _)| depth(name)) {
        return Action::Coalesce { removed: removed.clone(), child: child.to_owned() };
    }
    match removed.iter().find(|name| only_child(name) == Some(head)) {
        Some(removed) if pruned != Some(removed.as_str()) => Action::Prune { removed: (*removed).clone() },
        _ => Action::Nothing,
    }
}

pub(super) fn is_removed_leaf(records: &Records, head: &str, name: &str) -> bool {
    name != head && records.get(name).is_some_and(|record| record.removed) && !records.has_children(name)
}

/// Whether `child`, which is not the head, is the only layer that stands on the removed layer `removed`.
pub(super) fn may_coalesce(records: &Records, head: &str, removed: &str, child: &str) -> bool {
    child != head && is_only_child(records, removed, child)
}

/// Whether the head is the only layer that stands on the removed layer `removed`.
pub(super) fn may_prune(records: &Records, head: &str, removed: &str) -> bool {
    is_only_child(records, removed, head)
}

fn is_only_child(records: &Records, removed: &str, child: &str) -> bool {
    let is_removed = records.get(removed).is_some_and(|record| record.removed);
    let is_alone = children(records).get(removed).is_some_and(|children| children == &[child]);
    is_removed && is_alone && have_images(records, removed, child)
}

fn have_images(records: &Records, removed: &str, child: &str) -> bool {
    !records.lacks_image(removed) && !records.lacks_image(child)
}

/// A removed layer that keeps its space for one whose image is missing, and that one.
pub(super) fn held_back<'all>(records: &'all Records, head: &str) -> Option<(&'all str, &'all str)> {
    let is_held = |by: &'all String| {
        let held = records.0.get_key_value(&records.get(by)?.parent)?;
        (held.1.removed && held.0 != head).then_some((held.0.as_str(), by.as_str()))
    };
    records.without_image().find_map(is_held)
}

fn children(records: &Records) -> BTreeMap<&str, Vec<&str>> {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, record) in &records.0 {
        children.entry(&record.parent).or_default().push(name);
    }
    children
}

/// Bytes that a purge of this tree copies or looks through: those of each child that is merged, and of the layer that
/// is pruned.
pub(super) fn planned_bytes(directory: &Directory, structure: &Structure) -> Result<u64, ReplicaError> {
    let (mut records, head) = (structure.records.clone(), &structure.meta.head);
    let mut bytes = 0;
    loop {
        let layer = match next(&records, head, None) {
            Action::Delete(leaf) => {
                records.0.remove(&leaf);
                continue;
            }
            Action::Coalesce { removed, child } => {
                let parent = records.0.remove(&removed).map(|record| record.parent).unwrap_or_default();
                if let Some(record) = records.0.get_mut(&child) {
                    record.parent = parent;
                }
                child
            }
            Action::Prune { removed } => return Ok(bytes + held_bytes(directory, &removed)?),
            Action::Nothing => return Ok(bytes),
        };
        bytes += held_bytes(directory, &layer)?;
    }
}

fn held_bytes(directory: &Directory, layer: &str) -> Result<u64, ReplicaError> {
    let image = ImageFile::open(&directory.file(layer), Access::ReadOnly)?;
    let blocks = image.size()?.div_ceil(BLOCK_SIZE);
    Ok(held(&image, 0..blocks)?.iter().map(|part| (part.end - part.start) * BLOCK_SIZE).sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::metadata::LayerMeta;

    /// Pairs of layer and parent; a name with `!` is marked as removed.
    fn records(layers: &[(&str, &str)]) -> Records {
        let describe = |(name, parent): &(&str, &str)| {
            let meta = LayerMeta { removed: name.ends_with('!'), ..LayerMeta::head("", parent, "") };
            (name.trim_end_matches('!').to_owned(), meta)
        };
        Records::of(layers.iter().map(describe).collect())
    }

    #[test]
    fn leaves_then_merges_from_the_root_then_the_layer_under_the_head() {
        let mut records =
            records(&[("h", "d"), ("d!", "c"), ("c!", "b"), ("b!", "a"), ("a", ""), ("x!", "b"), ("y!", "x")]);
        let mut steps = Vec::new();
        let mut pruned = None;
        loop {
            let action = next(&records, "h", pruned.as_deref());
            match &action {
                Action::Delete(leaf) => drop(records.0.remove(leaf)),
                Action::Coalesce { removed, child } => {
                    let parent = records.0.remove(removed).unwrap().parent;
                    records.0.get_mut(child).unwrap().parent = parent;
                }
                Action::Prune { removed } => pruned = Some(removed.clone()),
                Action::Nothing => break,
            }
            steps.push(format!("{action:?}"));
        }
        assert_eq!(
            steps,
            [
                "Delete(\"y\")",
                "Delete(\"x\")",
                "Coalesce { removed: \"b\", child: \"c\" }",
                "Coalesce { removed: \"c\", child: \"d\" }",
                "Prune { removed: \"d\" }",
            ]
        );
    }

    #[test]
    fn what_several_stand_on_stays() {
        let records = records(&[("h", "b"), ("b!", "a"), ("a", ""), ("x", "b")]);
        assert_eq!(next(&records, "h", None), Action::Nothing);
        assert!(!may_prune(&records, "h", "b") && !may_coalesce(&records, "h", "b", "x"));
        assert_eq!(held_back(&records, "h"), None);
    }

    #[test]
    fn what_a_layer_without_its_image_stands_on_stays() {
        let mut records = records(&[("h", "shared"), ("shared!", ""), ("single!", "shared"), ("x", "single")]);
        records.note_missing_image("x");
        assert_eq!(next(&records, "h", None), Action::Nothing);
        assert!(!may_coalesce(&records, "h", "single", "x") && !may_prune(&records, "h", "shared"));
        assert!(!is_removed_leaf(&records, "h", "single"));
        assert_eq!(held_back(&records, "h"), Some(("single", "x")));
        // Given up, it goes with everything that it held.
        records.0.get_mut("x").unwrap().removed = true;
        assert_eq!(next(&records, "h", None), Action::Delete("x".to_owned()));
    }
}
