//! The snapshot tree as rows: newest on top, the branch that leads to the head in the first column.
//!
//! ```text
//! ● volume-head          column 0, line down
//! ○ c                    column 0, line up and down
//! │ ○ x                  column 1, joins the line of column 0 below itself
//! ├─╯
//! ○ b                    parent of c and x
//! ○ a                    oldest: no line down
//! ```
//! A row at column n has the lines of all columns left of it running through: each belongs to a branch that goes on below.

use std::collections::{HashMap, HashSet};

use aurochs_api::ids::VOLUME_HEAD;
use aurochs_api::snapshot::Snapshot;

use super::order::put_in_order;
use super::time;

/// How a row hangs on the one that it grew from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stem {
    /// The oldest layer.
    None,
    /// Straight down.
    Straight,
    /// Over to the column left of it.
    Joins,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TreeRow {
    pub(crate) snapshot: Snapshot,
    pub(crate) column: usize,
    /// Something grew from it in the same column.
    pub(crate) line_up: bool,
    pub(crate) stem: Stem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LayerKind {
    Head,
    /// Taken by a person or a job.
    User,
    /// Taken by the engine, for a rebuild for example.
    System,
    /// Deleted, and kept until its data is merged.
    Removed,
}

pub(crate) fn kind(snapshot: &Snapshot) -> LayerKind {
    if snapshot.name == VOLUME_HEAD {
        LayerKind::Head
    } else if snapshot.removed {
        LayerKind::Removed
    } else if snapshot.usercreated {
        LayerKind::User
    } else {
        LayerKind::System
    }
}

/// Whether the list of layers has something that is hidden by default.
pub(crate) fn has_system(snapshots: &[Snapshot]) -> bool {
    snapshots.iter().any(|snapshot| kind(snapshot) == LayerKind::System)
}

/// The rows from top to bottom. Without `system`, what hung on a system snapshot hangs on the next layer below it.
pub(crate) fn rows(snapshots: &[Snapshot], system: bool) -> Vec<TreeRow> {
    let tree = Tree::of(snapshots, system);
    let mut rows = Vec::new();
    for root in &tree.roots {
        tree.emit(root, 0, Stem::None, &mut rows);
    }
    rows
}

struct Tree<'a> {
    by_name: HashMap<&'a str, &'a Snapshot>,
    /// Children of a visible layer, the branch towards the head first, then newest first.
    children: HashMap<&'a str, Vec<&'a str>>,
    roots: Vec<&'a str>,
}

impl<'a> Tree<'a> {
    fn of(snapshots: &'a [Snapshot], system: bool) -> Self {
        let by_name: HashMap<&str, &Snapshot> = snapshots.iter().map(|layer| (layer.name.as_str(), layer)).collect();
        let visible = |layer: &Snapshot| system || kind(layer) != LayerKind::System;
        let to_head = ancestors(&by_name, VOLUME_HEAD);
        let mut tree = Self { children: HashMap::new(), roots: Vec::new(), by_name };
        for layer in snapshots.iter().filter(|layer| visible(layer)) {
            let below = ancestors(&tree.by_name, &layer.name).into_iter().skip(1);
            match below.filter_map(|name| tree.by_name.get(name)).find(|below| visible(below)) {
                Some(parent) => tree.children.entry(parent.name.as_str()).or_default().push(&layer.name),
                None => tree.roots.push(&layer.name),
            }
        }
        let on_head_branch: HashSet<&str> = to_head.into_iter().collect();
        let by_name = &tree.by_name;
        let place = |name: &&'a str| {
            let created = by_name.get(name).and_then(|layer| time::parse(&layer.created)).unwrap_or(i64::MIN);
            (!on_head_branch.contains(name), std::cmp::Reverse(created), *name)
        };
        let order = |a: &&'a str, b: &&'a str| place(a).cmp(&place(b));
        tree.children.values_mut().for_each(|children| put_in_order(children, &order));
        put_in_order(&mut tree.roots, &order);
        tree
    }

    fn emit(&self, name: &'a str, column: usize, stem: Stem, rows: &mut Vec<TreeRow>) {
        let Some(layer) = self.by_name.get(name) else { return };
        let children = self.children.get(name).map_or(&[][..], Vec::as_slice);
        if let Some((main, side)) = children.split_first() {
            self.emit(main, column, Stem::Straight, rows);
            for child in side {
                self.emit(child, column + 1, Stem::Joins, rows);
            }
        }
        rows.push(TreeRow { snapshot: (*layer).clone(), column, line_up: !children.is_empty(), stem });
    }
}

/// A layer and all below it. Ends at a name that was seen before, so that damaged metadata can't hang the page.
fn ancestors<'a>(by_name: &HashMap<&'a str, &'a Snapshot>, name: &str) -> Vec<&'a str> {
    let mut chain: Vec<&'a str> = Vec::new();
    let mut next = by_name.get(name);
    while let Some(layer) = next {
        if chain.contains(&layer.name.as_str()) {
            break;
        }
        chain.push(&layer.name);
        next = by_name.get(layer.parent.as_str());
    }
    chain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(name: &str, parent: &str, minute: u32, user: bool) -> Snapshot {
        let created = format!("2024-05-01T10:{minute:02}:00Z");
        Snapshot { name: name.into(), parent: parent.into(), created, usercreated: user, ..Snapshot::default() }
    }

    fn drawn(rows: &[TreeRow]) -> Vec<String> {
        let stem = |stem| match stem {
            Stem::None => "end",
            Stem::Straight => "down",
            Stem::Joins => "joins",
        };
        let line = |row: &TreeRow| {
            let up = if row.line_up { " up" } else { "" };
            format!("{}{} {}{up}", "│ ".repeat(row.column), row.snapshot.name, stem(row.stem))
        };
        rows.iter().map(line).collect()
    }

    #[test]
    fn head_on_top_and_branches_beside_it() {
        // Reverted from x to b, then c was taken.
        let layers = [
            layer("a", "", 1, true),
            layer("b", "a", 2, true),
            layer("x", "b", 9, true),
            layer("c", "b", 4, true),
            layer(VOLUME_HEAD, "c", 5, false),
        ];
        let expected = ["volume-head down", "c down up", "│ x joins", "b down up", "a end up"];
        assert_eq!(drawn(&rows(&layers, true)), expected);
    }

    #[test]
    fn hidden_system_layers_leave_no_gap() {
        let layers = [
            layer("a", "", 1, true),
            layer("system", "a", 2, false),
            layer("b", "system", 3, true),
            layer(VOLUME_HEAD, "b", 4, false),
        ];
        assert!(has_system(&layers));
        assert_eq!(drawn(&rows(&layers, false)), ["volume-head down", "b down up", "a end up"]);
        assert_eq!(rows(&layers, true).len(), 4);
    }

    #[test]
    fn a_hidden_root_leaves_two_trees() {
        let layers =
            [layer("system", "", 1, false), layer("a", "system", 2, true), layer(VOLUME_HEAD, "system", 3, false)];
        assert_eq!(drawn(&rows(&layers, false)), ["volume-head end", "a end"]);
    }

    #[test]
    fn a_branch_of_a_branch() {
        let layers = [
            layer("a", "", 1, true),
            layer(VOLUME_HEAD, "a", 9, false),
            layer("x", "a", 2, true),
            layer("y", "x", 3, true),
            layer("z", "x", 4, true),
        ];
        let expected = ["volume-head down", "│ z down", "│ │ y joins", "│ x joins up", "a end up"];
        assert_eq!(drawn(&rows(&layers, true)), expected);
    }

    #[test]
    fn a_circle_in_the_metadata_does_not_hang() {
        let layers = [layer("a", "b", 1, true), layer("b", "a", 2, true)];
        assert!(rows(&layers, true).len() <= 2);
    }
}
