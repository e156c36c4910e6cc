//! Settings by category, who is told of what, and who may do what.

use std::collections::BTreeSet;

use leptos::prelude::*;

use super::titled;
use crate::components::page::{PageHead, Tab, Tabs};
use crate::components::skeleton::Skeleton;
use crate::live::Live;
use crate::model::order::put_in_order;
use crate::model::setting_form::differs;
use crate::notices::Notices;
use crate::panels::asked::{AskChoice, AskText, asked};
use crate::panels::settings::access::Access;
use crate::panels::settings::drafts::Drafts;
use crate::panels::settings::leave;
use crate::panels::settings::notifications::Notifications;
use crate::panels::settings::row::SettingRow;
use crate::words::{category, fill, told, tr};

/// Those that are there are shown in this order; danger comes last.
const ORDER: [&str; 6] = ["general", "scheduling", "snapshot", "backup", "orphan", "system info"];
const DANGER: &str = "danger Zone";

#[component]
pub(crate) fn SettingsPage() -> impl IntoView {
    titled(|| tr("Settings").to_owned());
    view! {
        <PageHead title=tr("Settings") />
        <Tabs tabs=vec![
            Tab { key: "settings", label: "Settings", view: (|| view! { <All /> }).into() },
            Tab { key: "notifications", label: "Notifications", view: (|| view! { <Notifications /> }).into() },
            Tab { key: "access", label: "Access", view: (|| view! { <Access /> }).into() },
        ] />
    }
}

#[component]
fn All() -> impl IntoView {
    let live = Live::expect();
    let drafts = Drafts::take();
    leave::guard(drafts);
    let (text, wanted, show) = (asked("q"), asked("category"), asked("show"));
    // Names by category; which of them are shown changes with what is asked for, not with each value.
    let shown = Memo::new(move |_| {
        let (text, wanted, changed) = (text.get().to_lowercase(), wanted.get(), show.get() == "changed");
        let settings = live.settings.all();
        let fits = |setting: &&std::sync::Arc<aurochs_api::setting::Setting>| {
            let definition = &setting.definition;
            let (title, description) = (&definition.display_name, &definition.description);
            let words = [&setting.name, title, description, &told(title), &told(description)];
            definition.kind != "deprecated"
                && (wanted.is_empty() || definition.category == wanted)
                && (!changed
                    || differs(setting)
                    || drafts.changed.with_untracked(|drafts| drafts.contains_key(&setting.name)))
                && text.split_whitespace().all(|part| words.iter().any(|word| word.to_lowercase().contains(part)))
        };
        settings
            .iter()
            .filter(fits)
            .map(|setting| (setting.definition.category.clone(), setting.name.clone()))
            .collect::<Vec<_>>()
    });
    let categories = Memo::new(move |_| {
        let found: BTreeSet<String> = shown.with(|shown| shown.iter().map(|(category, _)| category.clone()).collect());
        let rank = |name: &str| {
            if name == DANGER {
                ORDER.len() + 1
            } else {
                ORDER.iter().position(|other| *other == name).unwrap_or(ORDER.len())
            }
        };
        let mut sorted: Vec<String> = found.into_iter().collect();
        put_in_order(&mut sorted, &|a, b| rank(a).cmp(&rank(b)));
        sorted
    });
    let part = move |name: String| view! { <CategoryPart name shown drafts /> };
    view! {
        <Show when=move || live.loaded.get() fallback=|| view! { <section class="card"><Skeleton lines=12 /></section> }>
            <Asks live />
            <For each=move || categories.get() key=Clone::clone children=part />
            <Show when=move || categories.with(Vec::is_empty)>
                <section class="card"><p class="calm dim">{tr("No setting matches.")}</p></section>
            </Show>
            <SaveBar drafts />
        </Show>
    }
}

#[component]
fn Asks(live: Live) -> impl IntoView {
    let own = Memo::new(move |_| live.settings.all().iter().filter(|setting| differs(setting)).count());
    let categories: Vec<(String, String)> =
        ORDER.into_iter().chain([DANGER]).map(|word| (word.to_owned(), category(word).to_owned())).collect();
    let changed =
        Signal::derive(move || vec![("changed".to_owned(), fill("Changed from the default ({})", &[&own.get()]))]);
    view! {
        <div class="asks">
            <AskText key="q" label=tr("Search settings") at_once=true />
            <AskChoice key="category" label=tr("Category") choices=categories />
            <AskChoice key="show" label=tr("Show") choices=changed />
        </div>
    }
}

#[component]
fn CategoryPart(name: String, shown: Memo<Vec<(String, String)>>, drafts: Drafts) -> impl IntoView {
    let live = Live::expect();
    let is_danger = name == DANGER;
    let title = category(&name);
    let names = Memo::new(move |_| {
        shown.with(|shown| {
            shown.iter().filter(|(category, _)| *category == name).map(|(_, name)| name.clone()).collect::<Vec<_>>()
        })
    });
    let row = move |name: String| live.settings.row(&name).map(|row| view! { <SettingRow row drafts /> });
    let unapplied = move || {
        let settings = live.settings.all();
        let waiting = settings.iter().filter(|setting| !setting.applied && setting.definition.category == DANGER);
        waiting.map(|setting| told(&setting.definition.display_name)).collect::<Vec<_>>()
    };
    let warning = move || {
        is_danger.then(|| view! {
            <p class="hint warn">{tr("Changes here reach into running volumes and into the system's own parts. Some come into force only when volumes are detached.")}</p>
            {move || Some(unapplied()).filter(|names| !names.is_empty()).map(|names| view! {
                <p class="hint warn">{fill("Not in force yet: {}", &[&names.join(", ")])}</p>
            })}
        })
    };
    view! {
        <section class="card settings" class:edge-faulted=is_danger aria-label=title>
            <h2 class="title">{title}</h2>
            {warning}
            <For each=move || names.get() key=Clone::clone children=row />
        </section>
    }
}

/// There as soon as something was changed.
#[component]
fn SaveBar(drafts: Drafts) -> impl IntoView {
    let (live, notices) = (Live::expect(), Notices::expect());
    let count = Memo::new(move |_| drafts.changed.with(std::collections::BTreeMap::len));
    let wrong = Memo::new(move |_| drafts.wrong(live));
    let said = move || match wrong.get() {
        0 => fill("{} changed", &[&count.get()]),
        wrong => fill("{} changed, {} can't be saved as they are", &[&count.get(), &wrong]),
    };
    view! {
        <div class="bulk savebar" class:empty=move || count.get() == 0 role="region" aria-label=tr("Unsaved changes")>
            <strong aria-live="polite">{said}</strong>
            <button type="button" disabled=move || { wrong.get() > 0 || drafts.busy.get() } aria-busy=move || drafts.busy.get().to_string() on:click=move |_| drafts.save(live, notices) data-testid="save-settings">
                {tr("Save")}
            </button>
            <button type="button" class="clear" on:click=move |_| drafts.drop_all()>{tr("Discard")}</button>
        </div>
    }
}
