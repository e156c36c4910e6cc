//! A list that the manager hands out in pages, the latest first: the first page is asked again when something changes, older
//! ones when somebody wants to see them.

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::api;
use crate::live::{ListState, Thing};
use crate::words::tr;

#[derive(Clone, Copy)]
pub(crate) struct Paged {
    pub(crate) rows: RwSignal<Vec<Thing>>,
    pub(crate) state: RwSignal<ListState>,
    address: Signal<String>,
    /// Address of the page after the last one that is here; empty where there is none.
    next: RwSignal<String>,
    busy: RwSignal<bool>,
    /// Counts addresses: an answer to an earlier one comes too late.
    turn: StoredValue<u64>,
}

impl Paged {
    /// `address` with its query: `v1/jobs?state=failed`. Another address begins anew; an empty one asks for nothing.
    pub(crate) fn of(address: Signal<String>) -> Self {
        let paged = Self {
            rows: RwSignal::new(Vec::new()),
            state: RwSignal::new(ListState::Loading),
            address,
            next: RwSignal::new(String::new()),
            busy: RwSignal::new(false),
            turn: StoredValue::new(0),
        };
        Effect::new(move |_| {
            address.track();
            paged.turn.update_value(|turn| *turn += 1);
            paged.rows.set(Vec::new());
            paged.next.set(String::new());
            paged.state.set(ListState::Loading);
            paged.refresh();
        });
        paged
    }

    /// Asks for the first page again.
    pub(crate) fn refresh(self) {
        let (Some(address), Some(turn)) = (self.address.try_get_untracked(), self.turn.try_get_value()) else { return };
        if address.is_empty() {
            return;
        }
        spawn_local(async move {
            let answer = api::get(&address).await;
            // The page may have been left, or asks for something else by now.
            if self.turn.try_get_value() != Some(turn) {
                return;
            }
            match answer {
                Ok(page) => {
                    self.take_first(&page);
                    self.state.set(ListState::Ready);
                }
                Err(error) => self.state.set(ListState::Failed(error)),
            }
        });
    }

    /// Adds the page after the last one.
    pub(crate) fn more(self) {
        let (next, turn) = (self.next.get_untracked(), self.turn.get_value());
        if next.is_empty() || self.busy.get_untracked() {
            return;
        }
        self.busy.set(true);
        spawn_local(async move {
            let answer = api::get(&next).await;
            if self.turn.try_get_value() != Some(turn) {
                _ = self.busy.try_set(false);
                return;
            }
            self.busy.set(false);
            match answer {
                Ok(page) => {
                    self.next.set(next_of(&page));
                    self.rows.update(|rows| {
                        let new = page.items("data").into_iter();
                        let new: Vec<Thing> =
                            new.filter(|thing| rows.iter().all(|row| row.id() != thing.id())).collect();
                        rows.extend(new);
                    });
                }
                Err(error) => self.state.set(ListState::Failed(error)),
            }
        });
    }

    /// Older pages stay while the new first one reaches down to them.
    fn take_first(self, page: &Thing) {
        let first = page.items("data");
        let (kept, joined) = self.rows.with_untracked(|rows| {
            let is_new = |row: &&Thing| first.iter().all(|thing| thing.id() != row.id());
            let kept: Vec<Thing> = rows.iter().filter(is_new).cloned().collect();
            let joined = !rows.is_empty() && kept.len() < rows.len();
            (kept, joined)
        });
        let mut rows = first;
        // As many as fit on a page push the oldest of them to the next one.
        if joined && page.flag("pagination.partial") {
            rows.extend(kept);
        } else {
            self.next.set(next_of(page));
        }
        self.rows.set(rows);
    }

    /// A button for older ones, where there are any.
    pub(crate) fn button(self) -> AnyView {
        (move || {
            (!self.next.with(String::is_empty)).then(|| {
                view! {
                    <button type="button" class="more" disabled=move || self.busy.get() on:click=move |_| self.more()>
                        {tr("Show older ones")}
                    </button>
                }
            })
        })
        .into_any()
    }
}

/// The manager tells a whole address; below our root the path alone is right, whatever stands before it.
fn next_of(page: &Thing) -> String {
    let next = page.text("pagination.next");
    next.find("/v1/").map(|start| next[start + 1..].to_owned()).unwrap_or_default()
}
