//! What can be changed of a volume, in place: each line shows its value, and becomes a field when it is to be another.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::html;
use leptos::prelude::*;
use serde_json::json;
use wasm_bindgen::JsCast;

use crate::api;
use crate::components::call::{Call, Failure};
use crate::live::{List, follow};
use crate::model::volume_setting::{Group, Kind, SETTINGS, VolumeSetting, quantity};
use crate::role::may_write;
use crate::words::{self, fill, tr};

#[component]
pub(crate) fn VolumeSettingsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let targets = follow("backuptargets");
    let group = move |group: Group| {
        let own = SETTINGS.iter().filter(move |setting| setting.group == group);
        let lines = own.map(|setting| view! { <Line setting volume targets /> }).collect_view();
        view! { <h3>{tr(words::setting_group(group))}</h3><ul class="changeable">{lines}</ul> }
    };
    view! {
        <section class="card" aria-labelledby="settings-title" data-testid="volume-settings">
            <h2 id="settings-title">{tr("Settings")}</h2>
            {Group::ALL.map(group).collect_view()}
        </section>
    }
}

#[component]
fn Line(setting: &'static VolumeSetting, volume: Memo<Option<Arc<Volume>>>, targets: List) -> impl IntoView {
    let editing = RwSignal::new(false);
    let present = Memo::new(move |_| volume.get().map(|volume| (setting.present)(&volume)).unwrap_or_default());
    let refusal = Memo::new(move |_| volume.get().and_then(|volume| setting.refusal(&volume)));
    let button = NodeRef::<html::Button>::new();
    let close = Callback::new(move |()| {
        editing.set(false);
        // The keyboard goes on where it was.
        request_animation_frame(move || {
            if let Some(button) = button.try_get_untracked().flatten() {
                _ = button.focus();
            }
        });
    });
    let change = move || {
        may_write().then(|| {
            view! {
                <button
                    node_ref=button
                    type="button"
                    class="ghost"
                    aria-label=fill("Change: {}", &[&tr(setting.label)])
                    disabled=move || refusal.get().is_some()
                    title=move || refusal.get().map(words::refusal)
                    on:click=move |_| editing.set(true)
                >
                    {tr("Change")}
                </button>
            }
        })
    };
    view! {
        <li data-testid=format!("setting-{}", setting.action)>
            <div class="what"><span>{tr(setting.label)}</span><span class="hint">{tr(setting.hint)}</span></div>
            <Show
                when=move || editing.get()
                fallback=move || view! {
                    <strong class="value">{move || words::setting_value(setting, &present.get())}</strong>
                    {change}
                }
            >
                <Editor setting volume present=present.get_untracked() targets close />
            </Show>
        </li>
    }
}

/// What stands in it is the user's until it is saved or given up: changes from elsewhere don't touch it.
#[component]
fn Editor(
    setting: &'static VolumeSetting,
    volume: Memo<Option<Arc<Volume>>>,
    present: String,
    targets: List,
    close: Callback<()>,
) -> impl IntoView {
    let first = match setting.kind {
        Kind::Size => quantity(present.parse().unwrap_or_default()),
        Kind::Words(_) | Kind::Number { .. } | Kind::BackupTarget => present,
    };
    let typed = RwSignal::new(first.clone());
    let call = Call::new();
    let wrong = Memo::new(move |_| setting.read(&typed.get()).err().map(words::wrong));
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let (Ok(value), Some(volume)) = (setting.read(&typed.get_untracked()), volume.get_untracked()) else { return };
        let address = format!("{}?action={}", api::address_of("volumes", &volume.name), setting.action);
        let body = json!({ setting.field: value });
        call.run(async move { api::post(&address, &body).await }, move |_| close.run(()));
    };
    let keys = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Escape" {
            event.stop_propagation();
            close.run(());
        }
    };
    let form = NodeRef::<html::Form>::new();
    form.on_load(|form| {
        let field = form.query_selector("input, select").ok().flatten();
        if let Some(field) = field.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
            _ = field.focus();
        }
    });
    view! {
        <form node_ref=form class="editor" on:submit=save on:keydown=keys novalidate autocomplete="off">
            <Input setting typed first targets />
            <button type="submit" class="primary" disabled=move || wrong.get().is_some() || call.busy.get()>{tr("Save")}</button>
            <button type="button" on:click=move |_| close.run(())>{tr("Cancel")}</button>
            <span class="hint error" aria-live="polite">{wrong}</span>
            <Failure error=call.error />
        </form>
    }
}

#[component]
fn Input(setting: &'static VolumeSetting, typed: RwSignal<String>, first: String, targets: List) -> impl IntoView {
    let option = move |(value, shown): (String, String)| {
        let this = value.clone();
        view! { <option value=value selected=move || typed.get() == this>{shown}</option> }
    };
    let chosen = move |event: leptos::ev::Event| typed.set(event_target_value(&event));
    let choices = move || -> Vec<(String, String)> {
        match setting.kind {
            Kind::Words(words) => {
                let present = (!words.contains(&first.as_str())).then(|| first.clone());
                let all = words.iter().map(|word| (*word).to_owned()).chain(present);
                all.map(|word| (word.clone(), words::setting_value(setting, &word))).collect()
            }
            Kind::BackupTarget => {
                let mut names: Vec<String> = targets.all().iter().map(|target| target.id().to_owned()).collect();
                if !names.contains(&first) {
                    names.push(first.clone());
                }
                names.into_iter().map(|name| (name.clone(), name)).collect()
            }
            Kind::Number { .. } | Kind::Size => Vec::new(),
        }
    };
    let label = tr(setting.label);
    match setting.kind {
        Kind::Words(_) | Kind::BackupTarget => view! {
            <select aria-label=label on:change=chosen>{move || choices().into_iter().map(option).collect_view()}</select>
        }
        .into_any(),
        Kind::Number { .. } => {
            view! { <input aria-label=label inputmode="numeric" bind:value=typed /> }.into_any()
        }
        Kind::Size => view! { <input aria-label=label placeholder="20Gi" bind:value=typed /> }.into_any(),
    }
}
