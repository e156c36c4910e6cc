//! What is in a folder, page after page. Each look is in the audit log and reads the volume: nothing is asked twice by
//! itself, and a page that was left asks nothing.

use leptos::prelude::*;
use leptos::task::spawn_local;

use super::source::Place;
use crate::api;
use crate::live::{ListState, Thing};

#[derive(Clone, Copy)]
pub(crate) struct Folder {
    pub(crate) things: RwSignal<Vec<Thing>>,
    pub(crate) state: RwSignal<ListState>,
    /// Name of the last one of the page before, where there are more.
    pub(crate) next: RwSignal<Option<String>>,
    pub(crate) busy: RwSignal<bool>,
    asked: StoredValue<u64>,
}

impl Folder {
    /// The next page, below what is shown.
    pub(crate) fn more(self, place: Option<Place>) {
        if let (Some(place), Some(after)) = (place, self.next.get_untracked()) {
            self.ask(place, after);
        }
    }

    /// From the beginning again.
    pub(crate) fn again(self, place: Option<Place>) {
        if let Some(place) = place {
            self.state.set(ListState::Loading);
            self.ask(place, String::new());
        }
    }

    fn ask(self, place: Place, after: String) {
        let number = self.asked.get_value() + 1;
        self.asked.set_value(number);
        self.busy.set(true);
        spawn_local(async move {
            let told = api::get(&place.list(&after)).await;
            // Another folder was opened meanwhile, or the page is gone.
            if self.asked.try_get_value() != Some(number) {
                return;
            }
            self.busy.set(false);
            match told {
                Ok(list) => {
                    let mut found = list.items("data");
                    let more = !list.text("links.next").is_empty();
                    self.next.set(found.last().filter(|_| more).map(|last| last.text("name").to_owned()));
                    if after.is_empty() {
                        self.things.set(found);
                    } else {
                        self.things.update(|things| things.append(&mut found));
                    }
                    self.state.set(ListState::Ready);
                }
                Err(error) => self.state.set(ListState::Failed(error)),
            }
        });
    }
}

/// The folder of the address, asked for whenever that changes.
pub(crate) fn load(place: Memo<Option<Place>>) -> Folder {
    let folder = Folder {
        things: RwSignal::new(Vec::new()),
        state: RwSignal::new(ListState::Loading),
        next: RwSignal::new(None),
        busy: RwSignal::new(false),
        asked: StoredValue::new(0),
    };
    Effect::new(move |_| {
        let place = place.get();
        folder.things.set(Vec::new());
        folder.next.set(None);
        folder.again(place);
    });
    folder
}
