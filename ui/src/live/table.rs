//! Resources of one kind by name: a signal per row, so that one changed volume touches one row of a list, and a revision
//! for those who look at all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use aurochs_api::schema::Resource;
use leptos::prelude::*;

/// One resource. Lists keep it as long as they show it, also after the resource is gone.
pub(crate) type Row<T> = ArcRwSignal<Arc<T>>;

pub(crate) struct Table<T: Send + Sync + 'static> {
    rows: StoredValue<BTreeMap<String, Row<T>>>,
    /// Raised once per frame in which anything changed.
    revision: RwSignal<u64>,
    /// Raised once per frame in which a row came or went.
    membership: RwSignal<u64>,
    pending: StoredValue<Pending>,
}

#[derive(Clone, Copy, Default)]
struct Pending {
    content: bool,
    membership: bool,
}

impl<T: Send + Sync + 'static> Clone for Table<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Send + Sync + 'static> Copy for Table<T> {}

impl<T: PartialEq + Send + Sync + 'static> Table<T> {
    pub(super) fn new() -> Self {
        Self {
            rows: StoredValue::new(BTreeMap::new()),
            revision: RwSignal::new(0),
            membership: RwSignal::new(0),
            pending: StoredValue::new(Pending::default()),
        }
    }

    /// All rows in order of their names. Whoever calls it runs again after any change.
    pub(crate) fn all(&self) -> Vec<Arc<T>> {
        self.revision.track();
        self.rows.with_value(|rows| rows.values().map(|row| row.get_untracked()).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.membership.track();
        self.rows.with_value(BTreeMap::len)
    }

    /// One resource; runs its caller again when it changes, comes or goes.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<T>> {
        self.membership.track();
        self.row(id).map(|row| row.get())
    }

    /// The signal itself, without following whether it comes or goes.
    pub(crate) fn row(&self, id: &str) -> Option<Row<T>> {
        self.rows.with_value(|rows| rows.get(id).cloned())
    }

    pub(super) fn replace(&self, resources: Vec<Resource<T>>) {
        let kept: std::collections::BTreeSet<String> = resources.iter().map(|resource| resource.id.clone()).collect();
        let gone: Vec<String> =
            self.rows.with_value(|rows| rows.keys().filter(|id| !kept.contains(*id)).cloned().collect());
        gone.iter().for_each(|id| self.remove(id));
        resources.into_iter().for_each(|resource| self.put(resource));
    }

    pub(super) fn put(&self, resource: Resource<T>) {
        let Resource { id, data, .. } = resource;
        match self.row(&id) {
            // A message that changes nothing must not wake anybody.
            Some(row) if *row.get_untracked() == data => {}
            Some(row) => {
                row.set(Arc::new(data));
                self.pending.update_value(|pending| pending.content = true);
            }
            None => {
                self.rows.update_value(|rows| {
                    rows.insert(id, ArcRwSignal::new(Arc::new(data)));
                });
                self.pending.set_value(Pending { content: true, membership: true });
            }
        }
    }

    pub(super) fn remove(&self, id: &str) {
        let mut removed = false;
        self.rows.update_value(|rows| removed = rows.remove(id).is_some());
        if removed {
            self.pending.set_value(Pending { content: true, membership: true });
        }
    }

    /// Tells about all changes since the last call.
    pub(super) fn announce(&self) {
        let pending = self.pending.get_value();
        self.pending.set_value(Pending::default());
        if pending.content {
            self.revision.update(|revision| *revision += 1);
        }
        if pending.membership {
            self.membership.update(|membership| *membership += 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use aurochs_api::setting::Setting;

    use super::*;

    fn resource(id: &str, value: &str) -> Resource<Setting> {
        let data = Setting { name: id.into(), value: value.into(), ..Setting::default() };
        Resource { id: id.into(), data, ..Resource::default() }
    }

    #[test]
    fn rows_come_change_and_go() {
        let owner = Owner::new();
        owner.with(|| {
            let table = Table::new();
            table.replace(vec![resource("b", "1"), resource("a", "1")]);
            table.announce();
            let values = || table.all().iter().map(|setting| setting.value.clone()).collect::<Vec<_>>();
            assert_eq!(values(), ["1", "1"]);

            let kept = table.row("a").unwrap();
            table.put(resource("a", "2"));
            assert_eq!(kept.get_untracked().value, "2", "a change goes to the row that a list holds");

            table.replace(vec![resource("b", "3")]);
            table.announce();
            assert_eq!(values(), ["3"]);
            assert!(table.row("a").is_none());
            assert_eq!(kept.get_untracked().value, "2", "a row that is gone can still be shown");
        });
    }

    #[test]
    fn the_same_again_is_no_change() {
        let owner = Owner::new();
        owner.with(|| {
            let table = Table::new();
            table.put(resource("a", "1"));
            table.announce();
            let before = (table.revision.get_untracked(), table.membership.get_untracked());
            table.replace(vec![resource("a", "1")]);
            table.announce();
            assert_eq!((table.revision.get_untracked(), table.membership.get_untracked()), before);
        });
    }
}
