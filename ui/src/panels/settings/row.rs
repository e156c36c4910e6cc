//! One setting: what it is, its field, what is wrong with what was typed, its default and the way back to it.

use std::sync::Arc;

use aurochs_api::setting::Setting;
use leptos::prelude::*;

use super::drafts::{Drafts, told};
use crate::clock;
use crate::components::places::Places;
use crate::live::Row;
use crate::model::setting_form::{Parts, check, differs, parts};
use crate::role::may_write;
use crate::words::{self, fill, tr};

#[component]
pub(crate) fn SettingRow(row: Row<Setting>, drafts: Drafts) -> impl IntoView {
    let setting = RwSignal::from(row);
    let first = setting.get_untracked();
    let (name, definition) = (first.name.clone(), first.definition.clone());
    let shown = Memo::new(move |_| setting.with(|setting| drafts.shown(setting)));
    let key = name.clone();
    let is_changed = Memo::new(move |_| drafts.changed.with(|changed| changed.contains_key(&key)));
    let key = name.clone();
    let refused = Memo::new(move |_| drafts.refused.with(|refused| refused.get(&key).cloned()));
    let is_own = Memo::new(move |_| setting.with(|setting| differs(setting)));
    let pending = Memo::new(move |_| setting.with(|setting| (!setting.applied, setting.causes.clone())));
    let default = match (definition.kind.as_str(), definition.default.as_str()) {
        ("bool", "true") => tr("On").to_owned(),
        ("bool", "false") => tr("Off").to_owned(),
        _ => told(&parts(&definition, &definition.default)),
    };
    let default_parts = parts(&definition, &definition.default);
    let reset = move |_| setting.with_untracked(|setting| drafts.put(setting, default_parts.clone()));
    let undo =
        move |_| setting.with_untracked(|setting| drafts.put(setting, parts(&setting.definition, &setting.value)));
    let engines: Vec<String> = shown.get_untracked().into_keys().collect();
    let title = if definition.display_name.is_empty() { name.clone() } else { words::told(&definition.display_name) };
    let label = title.clone();
    let field = move |engine: String| view! { <Part setting shown drafts engine label=label.clone() /> };
    let read_only = definition.read_only;
    view! {
        <div class="setting" class:changed=is_changed class:own=is_own data-testid=format!("setting-{name}")>
            <div class="setting-words">
                <h3>{title}</h3>
                <p class="dim">{words::told(&definition.description)}</p>
                <p class="xs mono">{name.clone()}</p>
            </div>
            <div class="setting-fields">
                {engines.into_iter().map(field).collect_view()}
                {move || refused.get().map(|error| view! { <p class="hint error" role="alert">{error.message}" "{error.next_step}</p> })}
                {move || {
                    let (waits, causes) = pending.get();
                    waits.then(|| view! {
                        <p class="hint warn">{tr("Stored, and not in force yet.")}</p>
                        {causes.into_iter().map(|cause| view! { <p class="hint warn">{clock::localized(&cause.message)}" "{clock::localized(&cause.next_step)}</p><Places details=cause.details /> }).collect_view()}
                    })
                }}
                <p class="xs setting-default">
                    {if read_only { tr("Told by the system").to_owned() } else { fill("Default: {}", &[&default]) }}
                    {move || (is_own.get() && !is_changed.get() && may_write()).then(|| view! {
                        <span class="tag">{tr("changed")}</span>
                        <button type="button" class="link-button" on:click=reset.clone()>{tr("Reset")}</button>
                    })}
                    {move || is_changed.get().then(|| view! {
                        <span class="tag">{tr("not saved")}</span>
                        <button type="button" class="link-button" on:click=undo>{tr("Undo")}</button>
                    })}
                </p>
            </div>
        </div>
    }
}

/// The field of one data engine, or of the whole.
#[component]
fn Part(
    setting: RwSignal<Arc<Setting>>,
    shown: Memo<Parts>,
    drafts: Drafts,
    engine: String,
    label: String,
) -> impl IntoView {
    let definition = setting.with_untracked(|setting| setting.definition.clone());
    let of_engine = engine.clone();
    let value = Memo::new(move |_| shown.with(|shown| shown.get(&of_engine).cloned().unwrap_or_default()));
    let rules = definition.clone();
    let key = setting.with_untracked(|setting| setting.name.clone());
    // What is stored was accepted; only what is typed is judged.
    let problem = Memo::new(move |_| {
        let typed = drafts.changed.with(|changed| changed.contains_key(&key));
        value.with(|value| check(&rules, value).err().filter(|_| typed))
    });
    let of_engine = engine.clone();
    let put = move |text: String| {
        let mut typed = shown.get_untracked();
        typed.insert(of_engine.clone(), text);
        setting.with_untracked(|setting| drafts.put(setting, typed));
    };
    let fixed = move || definition.read_only || !may_write();
    let label = if engine.is_empty() { label } else { format!("{label} ({engine})") };
    let kind = setting.with_untracked(|setting| setting.definition.kind.clone());
    let options = setting.with_untracked(|setting| setting.definition.options.clone());
    let field = if !options.is_empty() {
        let option = move |option: String| {
            let this = option.clone();
            view! { <option value=option.clone() selected=move || value.with(|value| *value == this)>{option.clone()}</option> }
        };
        view! {
            <select aria-label=label disabled=fixed prop:value=move || value.get() on:change=move |event| put(event_target_value(&event))>
                {options.into_iter().map(option).collect_view()}
            </select>
        }
        .into_any()
    } else if kind == "bool" {
        view! {
            <span class="switch">
                <input type="checkbox" role="switch" aria-label=label disabled=fixed
                    prop:checked=move || value.with(|value| value == "true")
                    on:change=move |event| put(event_target_checked(&event).to_string()) />
                <span class="xs">{move || if value.with(|value| value == "true") { tr("On") } else { tr("Off") }}</span>
            </span>
        }
        .into_any()
    } else {
        let mode = if matches!(kind.as_str(), "int" | "float") { "decimal" } else { "text" };
        view! {
            <input aria-label=label inputmode=mode autocomplete="off" spellcheck="false" disabled=fixed
                aria-invalid=move || problem.with(Option::is_some).to_string()
                prop:value=move || value.get() on:input=move |event| put(event_target_value(&event)) />
        }
        .into_any()
    };
    let engine = (!engine.is_empty()).then(|| view! { <span class="xs engine">{engine}</span> });
    view! {
        <div class="field setting-field">{engine}{field}</div>
        {move || problem.get().map(|problem| view! { <p class="hint error" role="alert">{problem}</p> })}
    }
}
