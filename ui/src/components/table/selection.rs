//! Which rows are selected.

use std::collections::BTreeSet;
use std::sync::Arc;

use leptos::prelude::*;

use super::lines::Line;

#[derive(Clone, Copy)]
pub(super) struct Selection {
    pub(super) ids: RwSignal<BTreeSet<Arc<str>>>,
    /// Where a range begins that is ended with the Shift key.
    last: StoredValue<Option<Arc<str>>>,
}

impl Selection {
    pub(super) fn new() -> Self {
        Self { ids: RwSignal::new(BTreeSet::new()), last: StoredValue::new(None) }
    }

    /// Turns one row round; with `range` all from the last one that was, to the state that this one gets.
    pub(super) fn toggle(self, id: &Arc<str>, range: bool, lines: &[Line]) {
        let add = self.ids.with_untracked(|ids| !ids.contains(id));
        let from = self.last.get_value().filter(|_| range);
        let place = |id: &str| lines.iter().position(|line| &*line.item().id == id);
        let touched: Vec<Arc<str>> = match from.and_then(|from| Some((place(&from)?, place(id)?))) {
            Some((from, to)) => lines[from.min(to)..=from.max(to)].iter().map(|line| line.item().id.clone()).collect(),
            None => vec![id.clone()],
        };
        self.last.set_value(Some(id.clone()));
        self.ids.update(|ids| {
            for id in touched {
                if add {
                    ids.insert(id);
                } else {
                    ids.remove(&id);
                }
            }
        });
    }

    pub(super) fn clear(self) {
        self.ids.set(BTreeSet::new());
    }

    /// All rows of the list, or none where all are.
    pub(super) fn toggle_all(self, lines: &[Line]) {
        let all = self.has_all(lines);
        let ids = lines.iter().map(|line| line.item().id.clone());
        self.ids.set(if all { BTreeSet::new() } else { ids.collect() });
    }

    pub(super) fn has_all(self, lines: &[Line]) -> bool {
        self.ids.with(|ids| {
            !lines.is_empty() && ids.len() >= lines.len() && lines.iter().all(|line| ids.contains(&line.item().id))
        })
    }

    /// A row that is gone must not be counted.
    pub(super) fn keep(self, lines: &[Line]) {
        if self.ids.with_untracked(BTreeSet::is_empty) {
            return;
        }
        let there: BTreeSet<&str> = lines.iter().map(|line| &*line.item().id).collect();
        if self.ids.with_untracked(|ids| ids.iter().any(|id| !there.contains(&**id))) {
            self.ids.update(|ids| ids.retain(|id| there.contains(&**id)));
        }
    }
}
