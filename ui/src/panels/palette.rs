//! Go anywhere from the keyboard: `/` or Ctrl-K opens it. Pages and actions are known here, everything that has a name is
//! found by the manager (`GET v1/search`). Before anything is typed it shows where one was last.

use std::time::Duration;

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::{HtmlElement, KeyboardEvent};

use super::frame::places;
use crate::components::icon::{Icon, Pictogram};
use crate::hold::Hold;
use crate::live::{ListState, Live, Thing, follow_at};
use crate::role::may_write;
use crate::words::{fill, is_chinese, told, tr};
use crate::{address, dialogs};

/// The manager is asked when typing rests.
const REST: Duration = Duration::from_millis(120);
const RECENT: usize = 6;
const PLACE: &str = "aurochs-recent";

/// Opens the search from anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Palette(RwSignal<bool>);

impl Palette {
    pub(crate) fn provide() {
        provide_context(Self(RwSignal::new(false)));
    }

    pub(crate) fn expect() -> Self {
        expect_context()
    }

    pub(crate) fn open(self) {
        self.0.set(true);
    }
}

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Hit {
    /// What it is: "Page", "Volume".
    kind: String,
    name: String,
    note: String,
    way: Way,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Way {
    /// Address below the root.
    To(String),
    CreateVolume,
}

#[component]
pub(crate) fn SearchPalette() -> impl IntoView {
    let palette = Palette::expect();
    let keys = window_event_listener(leptos::ev::keydown, move |event| {
        if asks_for_search(&event) {
            event.prevent_default();
            palette.open();
        }
    });
    on_cleanup(move || keys.remove());
    move || palette.0.get().then(|| view! { <Search palette /> })
}

/// Ctrl-K anywhere; `/` where nobody is typing and no dialog is open.
fn asks_for_search(event: &KeyboardEvent) -> bool {
    if (event.ctrl_key() || event.meta_key()) && event.key().eq_ignore_ascii_case("k") {
        return true;
    }
    let target = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    let typing = target.is_some_and(|target| {
        matches!(target.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || target.closest("dialog,[role=menu]").ok().flatten().is_some()
    });
    event.key() == "/" && !typing && !event.ctrl_key() && !event.alt_key() && !event.meta_key()
}

#[component]
fn Search(palette: Palette) -> impl IntoView {
    Hold::expect().while_mounted();
    let live = Live::expect();
    let dialog = NodeRef::<html::Dialog>::new();
    let typed = RwSignal::new(String::new());
    let asked = RwSignal::new(String::new());
    let at = RwSignal::new(0_usize);
    rest(typed, asked);
    let found = follow_at(Signal::derive(move || {
        asked.with(|words| match words.trim() {
            "" => String::new(),
            words => format!("v1/search?limit=30&q={}", String::from(js_sys::encode_uri_component(words))),
        })
    }));
    let answer = move || found.all().into_iter().next();
    let hits = Memo::new(move |_| {
        let words = typed.get();
        if words.trim().is_empty() {
            return recent();
        }
        let mut hits = known(&words, live);
        // What was found for other words is old.
        if asked.get() == words {
            hits.extend(
                answer().map(|answer| answer.items("results").iter().map(hit).collect::<Vec<_>>()).unwrap_or_default(),
            );
        }
        hits
    });
    Effect::new(move |_| {
        hits.track();
        at.set(0);
    });
    let close = move || {
        if let Some(dialog) = dialog.get_untracked() {
            dialog.close();
        }
    };
    let go = move |hit: Hit| {
        close();
        match &hit.way {
            Way::CreateVolume => dialogs::volume::create(),
            Way::To(to) => {
                keep(&hit);
                address::go(to);
            }
        }
    };
    let move_by = move |step: isize| {
        let count = hits.with_untracked(Vec::len);
        if count > 0 {
            at.update(|at| *at = at.saturating_add(count).saturating_add_signed(step) % count);
            reveal(at.get_untracked());
        }
    };
    let keys = move |event: KeyboardEvent| {
        match event.key().as_str() {
            "ArrowDown" => move_by(1),
            "ArrowUp" => move_by(-1),
            "Enter" => {
                if let Some(hit) = hits.with_untracked(|hits| hits.get(at.get_untracked()).cloned()) {
                    go(hit);
                }
            }
            _ => return,
        }
        event.prevent_default();
    };
    Effect::new(move |_| {
        if let Some(dialog) = dialog.get().filter(|dialog| !dialog.open()) {
            // It fails only for a dialog that isn't in the document.
            _ = dialog.show_modal();
        }
    });
    let line = move |(index, hit): (usize, Hit)| {
        let chosen = move || at.get() == index;
        let this = hit.clone();
        view! {
            <li
                id=format!("hit-{index}")
                role="option"
                class:chosen=chosen
                aria-selected=move || chosen().to_string()
                on:click=move |_| go(this.clone())
                on:pointermove=move |_| if at.get_untracked() != index { at.set(index) }
            >
                <span class="kind">{hit.kind}</span>
                <strong>{hit.name}</strong>
                <span class="dim">{hit.note}</span>
            </li>
        }
    };
    let below = move || {
        let words = typed.get();
        if words.trim().is_empty() {
            return tr("Type to search volumes, nodes, snapshots, backups, settings and pages.").to_owned();
        }
        if let ListState::Failed(error) = found.state() {
            return error.message;
        }
        let total = answer().and_then(|answer| answer.number("total")).unwrap_or_default();
        match hits.with(Vec::len) {
            0 if asked.get() == words && found.state() == ListState::Ready => tr("Nothing has these words.").to_owned(),
            _ if total > 30.0 => fill("The first 30 of {}. Type more to narrow it.", &[&total]),
            _ => tr("↑ ↓ to choose, Enter to open, Esc to close").to_owned(),
        }
    };
    let active = move || hits.with(|hits| !hits.is_empty()).then(|| format!("hit-{}", at.get()));
    view! {
        <dialog node_ref=dialog class="palette" aria-label=tr("Search") on:close=move |_| palette.0.set(false) on:click=move |event| {
            // A press on the ground beside it.
            let target = event.target().and_then(|target| target.dyn_into::<web_sys::Element>().ok());
            if target.is_some_and(|target| target.tag_name() == "DIALOG") {
                close();
            }
        }>
            <div class="inside">
                <label class="search">
                    <Pictogram icon=Icon::Search />
                    <input
                        autofocus
                        type="text"
                        role="combobox"
                        aria-expanded="true"
                        aria-controls="hits"
                        aria-autocomplete="list"
                        aria-activedescendant=active
                        aria-label=tr("Search everything")
                        placeholder=tr("Search everything")
                        spellcheck="false"
                        autocomplete="off"
                        bind:value=typed
                        on:keydown=keys
                    />
                </label>
                <ul id="hits" role="listbox" aria-label=tr("Results")>
                    {move || hits.get().into_iter().enumerate().map(line).collect_view()}
                </ul>
                <p class="xs" role="status">{below}</p>
            </div>
        </dialog>
    }
}

fn rest(typed: RwSignal<String>, asked: RwSignal<String>) {
    let timer = StoredValue::new(None::<TimeoutHandle>);
    let stop = move || {
        if let Some(Some(timer)) = timer.try_update_value(Option::take) {
            timer.clear();
        }
    };
    on_cleanup(stop);
    Effect::new(move |_| {
        let words = typed.get();
        stop();
        timer.set_value(set_timeout_with_handle(move || _ = asked.try_set(words.clone()), REST).ok());
    });
}

fn reveal(index: usize) {
    if let Some(line) = document().get_element_by_id(&format!("hit-{index}")) {
        line.scroll_into_view_with_bool(false);
    }
}

/// Pages, settings and actions whose names have all the words.
fn known(words: &str, live: Live) -> Vec<Hit> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let has = |english: &str, shown: &str| {
        let text = format!("{english}\n{shown}").to_lowercase();
        words.iter().all(|word| text.contains(word.as_str()))
    };
    let mut hits = Vec::new();
    for (href, label) in places() {
        if has(label, tr(label)) {
            hits.push(Hit {
                kind: tr("Page").to_owned(),
                name: tr(label).to_owned(),
                note: String::new(),
                way: Way::To(href.to_owned()),
            });
        }
    }
    // The manager finds settings by their English words.
    for setting in if is_chinese() { live.settings.all() } else { Vec::new() } {
        let title = told(&setting.definition.display_name);
        if has("", &title) {
            let way = Way::To(format!("settings?q={}", setting.name));
            hits.push(Hit { kind: tr("Setting").to_owned(), name: title, note: setting.name.clone(), way });
        }
    }
    if untrack(may_write) && has("Create volume", tr("Create volume")) {
        let name = tr("Create volume").to_owned();
        hits.push(Hit { kind: tr("Action").to_owned(), name, note: String::new(), way: Way::CreateVolume });
    }
    hits
}

/// A result of the manager.
fn hit(found: &Thing) -> Hit {
    let (name, owner) = (found.text("name"), found.text("owner"));
    let encoded = |text: &str| String::from(js_sys::encode_uri_component(text));
    let (kind, to) = match found.text("kind") {
        "volume" => (tr("Volume"), format!("volumes/{}", encoded(name))),
        "node" => (tr("Node"), format!("nodes/{}", encoded(name))),
        "disk" => (tr("Disk"), format!("nodes/{}", encoded(owner))),
        "snapshot" => (tr("Snapshot"), format!("volumes/{}", encoded(owner))),
        "backup" => (tr("Backup"), format!("backups?q={}", encoded(owner))),
        "recurringJob" => (tr("Recurring job"), format!("recurring-jobs?q={}", encoded(name))),
        "setting" => (tr("Setting"), format!("settings?q={}", encoded(name))),
        "engineImage" => (tr("Engine image"), format!("engine-images?q={}", encoded(name))),
        "orphan" => (tr("Orphan"), format!("orphans?q={}", encoded(name))),
        _ => (tr("Other"), String::new()),
    };
    let note = [found.told("context"), found.told("matched")];
    let note = note.into_iter().filter(|note| !note.is_empty()).collect::<Vec<_>>().join(" · ");
    Hit { kind: kind.to_owned(), name: name.to_owned(), note, way: Way::To(to) }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok().flatten()
}

/// Where one was last, the latest first.
fn recent() -> Vec<Hit> {
    let kept = storage().and_then(|storage| storage.get_item(PLACE).ok().flatten()).unwrap_or_default();
    kept.lines().filter_map(from_line).take(RECENT).collect()
}

fn keep(hit: &Hit) {
    let Some(line) = to_line(hit) else { return };
    let others = recent().into_iter().filter(|other| other.way != hit.way).filter_map(|other| to_line(&other));
    let lines: Vec<String> = std::iter::once(line).chain(others).take(RECENT).collect();
    if let Some(storage) = storage() {
        // Storage may be full or forbidden; then nothing is remembered.
        _ = storage.set_item(PLACE, &lines.join("\n"));
    }
}

fn to_line(hit: &Hit) -> Option<String> {
    match &hit.way {
        Way::To(to) => Some(format!("{to}\t{}\t{}", hit.kind, hit.name)),
        Way::CreateVolume => None,
    }
}

fn from_line(line: &str) -> Option<Hit> {
    let mut parts = line.split('\t').map(str::to_owned);
    let (to, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Hit { kind, name, note: String::new(), way: Way::To(to) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        let hit =
            Hit { kind: "Volume".into(), name: "a".into(), note: String::new(), way: Way::To("volumes/a".into()) };
        assert_eq!(to_line(&hit).and_then(|line| from_line(&line)), Some(hit));
        assert_eq!(from_line("nonsense"), None);
    }
}
