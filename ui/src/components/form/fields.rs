//! How fields look.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlInputElement;

use super::field::{Field, Shape};
use super::read::UNITS;
use super::typed::{Cell, Typed};
use crate::components::cron::CronField;
use crate::words::tr;

/// All fields of a form; the advanced ones folded.
#[component]
pub(crate) fn Fields(form: Typed) -> impl IntoView {
    let cells = form.cells.get_value();
    let (advanced, plain): (Vec<Cell>, Vec<Cell>) =
        cells.into_iter().partition(|cell| cell.field.with_value(|field| field.advanced));
    let one = move |(index, cell): (usize, Cell)| {
        let shown = Memo::new(move |_| form.is_shown(cell));
        move || shown.get().then(|| view! { <One form cell first=index == 0 /> })
    };
    let folded = (!advanced.is_empty()).then(|| {
        let fields = advanced.into_iter().enumerate().map(|(index, cell)| one((index + 1, cell))).collect_view();
        view! {
            <details class="advanced">
                <summary>{tr("Advanced")}</summary>
                <div class="body">{fields}</div>
            </details>
        }
    });
    view! { {plain.into_iter().enumerate().map(one).collect_view()}{folded} }
}

#[component]
fn One(form: Typed, cell: Cell, first: bool) -> impl IntoView {
    let Field { key, label, shape, hint, required, fixed, .. } = cell.field.get_value();
    if shape == Shape::Heading {
        return view! { <h3 class="form-part">{tr(label)}</h3> }.into_any();
    }
    let id = format!("field-{key}");
    let hint_id = format!("hint-{key}");
    let wrong = Memo::new(move |_| {
        let error = cell.error(&form.values());
        error.filter(|_| cell.touched.get())
    });
    let below = {
        let id = hint_id.clone();
        let text = move || wrong.get().unwrap_or_else(|| tr(hint).to_owned());
        view! { <span id=id class="hint" class:error=move || wrong.get().is_some() aria-live="polite">{text}</span> }
    };
    if shape == Shape::Toggle {
        return view! {
            <label class="check">
                <input type="checkbox" id=id name=key disabled=fixed bind:checked=cell.on />
                <span>{tr(label)}{below}</span>
            </label>
        }
        .into_any();
    }
    let control = control(cell, id.clone(), hint_id, first, wrong);
    let mark = required.then(|| view! { <span class="needed" aria-hidden="true">" *"</span> });
    view! { <div class="field"><label for=id>{tr(label)}{mark}</label>{control}{below}</div> }.into_any()
}

fn control(cell: Cell, id: String, hint: String, first: bool, wrong: Memo<Option<String>>) -> AnyView {
    let Field { key, shape, required, fixed, .. } = cell.field.get_value();
    let invalid = move || wrong.get().is_some().to_string();
    let left = move |_| cell.touched.set(true);
    let text = cell.text;
    let kind = if shape == Shape::Secret { "password" } else { "text" };
    let number = matches!(shape, Shape::Number { .. } | Shape::Size);
    let input = {
        let (id, hint) = (id.clone(), hint.clone());
        let mode = if number { "decimal" } else { "text" };
        move || {
            view! {
                <input
                    id=id
                    name=key
                    type=kind
                    inputmode=mode
                    autofocus=first && !fixed
                    autocomplete=if kind == "password" { "new-password" } else { "off" }
                    spellcheck="false"
                    autocapitalize="off"
                    readonly=fixed
                    aria-required=required.to_string()
                    aria-invalid=invalid
                    aria-describedby=hint
                    on:blur=left
                    bind:value=text
                />
            }
        }
    };
    match shape {
        Shape::Select(choices) => {
            let option = move |(word, shown): (String, String)| {
                let this = word.clone();
                view! { <option value=word prop:selected=move || text.get() == this>{shown}</option> }
            };
            view! {
                <select
                    id=id
                    name=key
                    autofocus=first && !fixed
                    disabled=fixed
                    aria-describedby=hint
                    on:change=move |event| text.set(event_target_value(&event))
                >
                    {choices.into_iter().map(option).collect_view()}
                </select>
            }
            .into_any()
        }
        Shape::Size => {
            let unit = cell.unit;
            let option = move |(name, _): (&'static str, u64)| {
                view! { <option value=name prop:selected=move || unit.get() == name>{name}</option> }
            };
            view! {
                <span class="joined">
                    {input()}
                    <select aria-label=tr("Unit") disabled=fixed on:change=move |event| unit.set(event_target_value(&event))>
                        {UNITS.into_iter().map(option).collect_view()}
                    </select>
                </span>
            }
            .into_any()
        }
        Shape::Area | Shape::Labels => view! {
            <textarea
                id=id
                name=key
                rows="3"
                autofocus=first && !fixed
                spellcheck="false"
                readonly=fixed
                aria-required=required.to_string()
                aria-invalid=invalid
                aria-describedby=hint
                on:blur=left
                bind:value=text
            ></textarea>
        }
        .into_any(),
        Shape::Cron => view! { <CronField id value=text /> }.into_any(),
        Shape::File => {
            let choose = move |event: leptos::ev::Event| {
                let input = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok());
                let file = input.and_then(|input| input.files()).and_then(|files| files.get(0));
                cell.touched.set(true);
                let name = file.as_ref().map(web_sys::File::name).unwrap_or_default();
                cell.file.set_value(file);
                cell.file_name.set(name);
            };
            view! { <input id=id name=key type="file" aria-describedby=hint on:change=choose /> }.into_any()
        }
        Shape::Text | Shape::Number { .. } | Shape::Tags | Shape::Secret | Shape::Toggle | Shape::Heading => {
            input().into_any()
        }
    }
}
