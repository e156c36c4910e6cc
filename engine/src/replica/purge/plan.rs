//! Which step comes next, from nothing but the tree.
//!
//! Leaves go first, since a layer whose other children are gone can be merged. Merges go from the root up: each then
//! copies what its child alone holds, and nothing is copied twice. The layer under the head comes last.

use std::collections::{BTreeMap, BTreeSet};

use crate::replica::chain::Records;

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

/// `passed` are layers that need no second look.
pub(super) fn next(records: &Records, head: &str, passed: &BTreeSet<String>) -> Action {
    let mut removed: Vec<&String> =
        records.0.iter().filter(|(name, record)| record.removed && *name != head).map(|(name, _)| name).collect();
    let children = children(records);
    let only_child = |name: &str| match children.get(name).map(Vec::as_slice) {
        Some([child]) if have_images(records, name, child) => Some(*child),
        _ => None,
    };
    if let Some(leaf) = removed.iter().find(|name| !children.contains_key(name.as_str())) {
        return Action::Delete((*leaf).clone());
    }
    removed.retain(|name| !passed.contains(*name));
    let mergeable =
        removed.iter().filter_map(|name| Some((*name, only_child(name)?))).filter(|(_, child)| *child != head);
    // A circle, which no open replica has, would have no depth.
    let depth = |name: &str| records.chain_from(name).map_or(usize::MAX, |chain| chain.len());
    if let Some((removed, child)) = mergeable.min_by_key(|(name, _)| depth(name)) {
        return Action::Coalesce { removed: removed.clone(), child: child.to_owned() };
    }
    match removed.iter().find(|name| only_child(name) == Some(head)) {
        Some(removed) => Action::Prune { removed: (*removed).clone() },
        None => Action::Nothing,
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

/// The layers that a purge of this tree copies or looks through: each child that is merged, and the layer that is
/// pruned.
pub(super) fn planned(records: &Records, head: &str) -> Vec<String> {
    let (mut records, nothing_passed) = (records.clone(), BTreeSet::new());
    let mut layers = Vec::new();
    loop {
        match next(&records, head, &nothing_passed) {
            Action::Delete(leaf) => records.forget(&leaf),
            Action::Coalesce { removed, child } => {
                let parent = records.0.remove(&removed).map(|record| record.parent).unwrap_or_default();
                if let Some(record) = records.0.get_mut(&child) {
                    record.parent = parent;
                }
                layers.push(child);
            }
            Action::Prune { removed } => {
                layers.push(removed);
                return layers;
            }
            Action::Nothing => return layers,
        }
    }
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
        let mut passed = BTreeSet::new();
        assert_eq!(planned(&records, "h"), ["c", "d", "d"]);
        loop {
            let action = next(&records, "h", &passed);
            match &action {
                Action::Delete(leaf) => drop(records.0.remove(leaf)),
                Action::Coalesce { removed, child } => {
                    let parent = records.0.remove(removed).unwrap().parent;
                    records.0.get_mut(child).unwrap().parent = parent;
                }
                Action::Prune { removed } => drop(passed.insert(removed.clone())),
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
    fn a_merge_without_room_is_passed_over_for_the_others() {
        let records = records(&[("h", "d"), ("d", "c"), ("c!", "b"), ("b!", "a"), ("a", "")]);
        let passed = BTreeSet::from(["b".to_owned()]);
        let merge = Action::Coalesce { removed: "c".to_owned(), child: "d".to_owned() };
        assert_eq!(next(&records, "h", &passed), merge);
    }

    #[test]
    fn what_several_stand_on_stays() {
        let records = records(&[("h", "b"), ("b!", "a"), ("a", ""), ("x", "b")]);
        assert_eq!(next(&records, "h", &BTreeSet::new()), Action::Nothing);
        assert!(!may_prune(&records, "h", "b") && !may_coalesce(&records, "h", "b", "x"));
        assert_eq!(held_back(&records, "h"), None);
    }

    #[test]
    fn what_a_layer_without_its_image_stands_on_stays() {
        let mut records = records(&[("h", "shared"), ("shared!", ""), ("single!", "shared"), ("x", "single")]);
        records.note_missing_image("x");
        assert_eq!(next(&records, "h", &BTreeSet::new()), Action::Nothing);
        assert!(!may_coalesce(&records, "h", "single", "x") && !may_prune(&records, "h", "shared"));
        assert!(!is_removed_leaf(&records, "h", "single"));
        assert_eq!(held_back(&records, "h"), Some(("single", "x")));
        // Given up, it goes with everything that it held.
        records.0.get_mut("x").unwrap().removed = true;
        assert_eq!(next(&records, "h", &BTreeSet::new()), Action::Delete("x".to_owned()));
    }
}
