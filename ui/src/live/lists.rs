//! Collections that only some pages show. Asked for when somebody first shows them, again whenever the live stream says
//! that they changed, and forgotten a moment after nobody does.
//!
//! All who show the same address share a [`Shelf`]. A list is *followed* when the manager said that it tells of its
//! changes; the others are asked for again now and then.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aurochs_api::live::LiveRequest;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::Value;

use super::{Thing, socket};
use crate::api::{self, ApiError};
use crate::clock;

/// How often it is looked at what is shown, and what is old.
const TICK: Duration = Duration::from_secs(5);
/// Nobody tells when these change.
const UNFOLLOWED_SECONDS: i64 = 30;
/// A change may be told in the moment between an answer and the beginning of following.
const FOLLOWED_SECONDS: i64 = 120;
const FAILED_SECONDS: i64 = 10;

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
pub(crate) struct List(Signal<Place>);

/// What stands at one address.
struct Shelf {
    address: String,
    things: ArcRwSignal<Arc<Vec<Thing>>>,
    state: ArcRwSignal<ListState>,
    asking: Mutex<Asking>,
}

#[derive(Clone, Copy, Default)]
struct Asking {
    running: bool,
    /// It changed while an answer was on its way.
    again: bool,
    asked_at: i64,
    /// Nobody showed it at the last tick.
    lonely: bool,
}

/// One user's hold of a shelf.
#[derive(Clone)]
struct Place(Arc<Shelf>);

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

thread_local! {
    static SHELVES: RefCell<BTreeMap<String, Arc<Shelf>>> = const { RefCell::new(BTreeMap::new()) };
    /// What the manager was asked to tell of, and what it tells of.
    static ASKED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    static FOLLOWED: RefCell<BTreeSet<String>> = const { RefCell::new(BTreeSet::new()) };
    static TICKING: Cell<bool> = const { Cell::new(false) };
}

/// The whole collection: `backups`.
pub(crate) fn follow(collection: &'static str) -> List {
    List(Signal::stored(shelf(&format!("v1/{collection}"))))
}

/// The same for one address (`v1/volumes/x/…`, with query). An empty address shows nothing.
pub(crate) fn follow_at(address: Signal<String>) -> List {
    List(Memo::new(move |_| shelf(&address.get())).into())
}

impl List {
    /// All things. An address that is one thing gives this one alone.
    pub(crate) fn all(self) -> Vec<Thing> {
        self.shared().to_vec()
    }

    /// The same without a copy.
    pub(crate) fn shared(self) -> Arc<Vec<Thing>> {
        self.0.with(|place| place.0.things.get())
    }

    pub(crate) fn get(self, id: &str) -> Option<Thing> {
        self.0.with(|place| place.0.things.with(|things| things.iter().find(|thing| thing.id() == id).cloned()))
    }

    pub(crate) fn state(self) -> ListState {
        self.0.with(|place| place.0.state.get())
    }

    /// Asks again now.
    pub(crate) fn refresh(self) {
        self.0.with_untracked(|place| place.0.ask());
    }
}

fn shelf(address: &str) -> Place {
    let known = SHELVES.with_borrow(|shelves| shelves.get(address).cloned());
    if let Some(shelf) = known {
        return Place(shelf);
    }
    let shelf = Arc::new(Shelf {
        address: address.to_owned(),
        things: ArcRwSignal::new(Arc::default()),
        state: ArcRwSignal::new(ListState::Loading),
        asking: Mutex::default(),
    });
    SHELVES.with_borrow_mut(|shelves| shelves.insert(address.to_owned(), Arc::clone(&shelf)));
    start_ticking();
    tell_what_is_shown();
    shelf.ask();
    Place(shelf)
}

impl Shelf {
    /// The list whose changes change it: `backups` of `v1/backups?limit=10`.
    fn list(&self) -> &str {
        let below = self.address.strip_prefix("v1/").unwrap_or_default();
        below.split(['/', '?']).next().unwrap_or_default()
    }

    fn is_followed(&self) -> bool {
        FOLLOWED.with_borrow(|followed| followed.contains(self.list()))
    }

    fn with_asking<T>(&self, change: impl FnOnce(&mut Asking) -> T) -> T {
        change(&mut self.asking.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ask(self: &Arc<Self>) {
        if self.address.is_empty() {
            return;
        }
        let goes = self.with_asking(|asking| {
            asking.again = asking.running;
            !std::mem::replace(&mut asking.running, true)
        });
        if !goes {
            return;
        }
        let weak = Arc::downgrade(self);
        let address = self.address.clone();
        spawn_local(async move {
            loop {
                let was_followed = match weak.upgrade() {
                    Some(shelf) => shelf.is_followed(),
                    None => return,
                };
                let answer = api::get(&address).await;
                // Nobody may be waiting any more.
                let Some(shelf) = weak.upgrade() else { return };
                shelf.take(answer);
                let again = shelf.with_asking(|asking| {
                    asking.asked_at = clock::now();
                    asking.running = asking.again;
                    std::mem::take(&mut asking.again)
                });
                // What changed before the manager began to tell was not told.
                let missed = !was_followed && shelf.is_followed() && !again;
                if missed {
                    shelf.with_asking(|asking| asking.running = true);
                }
                if !again && !missed {
                    return;
                }
            }
        });
    }

    fn take(&self, answer: Result<Thing, ApiError>) {
        match answer {
            Ok(answer) => {
                let (before, now) = (self.things.get_untracked(), things_of(answer));
                let now = keep_known(&before, now);
                if now.len() != before.len() || !now.iter().zip(before.iter()).all(|(now, before)| now.is_same(before))
                {
                    self.things.set(Arc::new(now));
                }
                self.come_to(ListState::Ready);
            }
            Err(error) => self.come_to(ListState::Failed(error)),
        }
    }

    fn come_to(&self, state: ListState) {
        if self.state.with_untracked(|before| *before != state) {
            self.state.set(state);
        }
    }

    /// Whether it is time to ask again.
    fn is_due(&self, now: i64) -> bool {
        let patience = match self.state.get_untracked() {
            ListState::Failed(_) => FAILED_SECONDS,
            _ if self.is_followed() => FOLLOWED_SECONDS,
            _ => UNFOLLOWED_SECONDS,
        };
        self.with_asking(|asking| !asking.running && now - asking.asked_at >= patience)
    }
}

/// The things of a collection, or the one thing.
fn things_of(answer: Thing) -> Vec<Thing> {
    match answer.at("data") {
        Some(Value::Array(items)) => items.iter().cloned().map(Thing::from).collect(),
        _ => vec![answer],
    }
}

/// Where nothing changed the old one stays, so that rows that show it rest.
fn keep_known(before: &[Thing], mut now: Vec<Thing>) -> Vec<Thing> {
    let known: BTreeMap<&str, &Thing> = before.iter().map(|thing| (thing.id(), thing)).collect();
    for thing in &mut now {
        if let Some(same) = known.get(thing.id()).filter(|known| **known == thing) {
            *thing = (*same).clone();
        }
    }
    now
}

/// The manager tells of the changes of these lists from now on.
pub(super) fn following(lists: Vec<String>) {
    FOLLOWED.with_borrow_mut(|followed| *followed = lists.into_iter().collect());
}

/// These lists changed.
pub(super) fn stale(lists: &[String]) {
    for_shown(|shelf| {
        if lists.iter().any(|list| list == shelf.list()) {
            shelf.ask();
        }
    });
}

/// A new connection knows nothing of what is shown, and nobody told of changes while there was none.
pub(super) fn connected(is_first: bool) {
    ASKED.with_borrow_mut(BTreeSet::clear);
    FOLLOWED.with_borrow_mut(BTreeSet::clear);
    tell_what_is_shown();
    if !is_first {
        for_shown(|shelf| shelf.ask());
    }
}

fn for_shown(act: impl Fn(&Arc<Shelf>)) {
    let shown: Vec<Arc<Shelf>> = SHELVES.with_borrow(|shelves| shelves.values().cloned().collect());
    shown.iter().for_each(act);
}

/// Says which lists are shown, if that is news.
fn tell_what_is_shown() {
    let shown: BTreeSet<String> = SHELVES.with_borrow(|shelves| {
        shelves.values().map(|shelf| shelf.list().to_owned()).filter(|list| !list.is_empty()).collect()
    });
    if ASKED.with_borrow(|asked| *asked == shown) {
        return;
    }
    let request = LiveRequest { follow: shown.iter().cloned().collect() };
    let said = serde_json::to_string(&request).is_ok_and(|text| socket::say(&text));
    if said {
        ASKED.with_borrow_mut(|asked| *asked = shown);
    }
}

fn start_ticking() {
    if !TICKING.replace(true) {
        set_interval(tick, TICK);
    }
}

/// Forgets what nobody showed for a while, and asks for what is old.
fn tick() {
    SHELVES.with_borrow_mut(|shelves| {
        shelves.retain(|_, shelf| {
            // The registry's own hold is the only one.
            let lonely = Arc::strong_count(shelf) == 1;
            !(shelf.with_asking(|asking| std::mem::replace(&mut asking.lonely, lonely)) && lonely)
        });
    });
    tell_what_is_shown();
    if !document().hidden() {
        let now = clock::now();
        for_shown(|shelf| {
            if shelf.is_due(now) {
                shelf.ask();
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_did_not_change_stays_the_same_thing() {
        let before = things_of(json!({"data": [{"id": "a", "n": 1}, {"id": "b", "n": 1}]}).into());
        let now = keep_known(&before, things_of(json!({"data": [{"id": "b", "n": 2}, {"id": "a", "n": 1}]}).into()));
        assert!(now[1].is_same(&before[0]) && !now[0].is_same(&before[1]));
        assert_eq!(things_of(json!({"id": "one"}).into())[0].id(), "one");
    }

    #[test]
    fn the_list_of_an_address() {
        let list = |address: &str| {
            let things = ArcRwSignal::new(Arc::default());
            let state = ArcRwSignal::new(ListState::Loading);
            let shelf = Shelf { address: address.to_owned(), things, state, asking: Mutex::default() };
            shelf.list().to_owned()
        };
        assert_eq!(list("v1/backups"), "backups");
        assert_eq!(list("v1/volumes/x/snapshots?limit=1"), "volumes");
        assert_eq!(list(""), "");
    }
}
