//! A question with one answer. The browser's own dialog element keeps the focus inside, answers Escape and gives the
//! focus back. A click beside it does not close it: what was typed stays.

use leptos::html;
use leptos::prelude::*;
use wasm_bindgen::JsCast;

use super::call::{Call, Failure};
use super::icon::{Icon, Pictogram};
use crate::hold::Hold;
use crate::words::tr;

/// The button that answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Danger,
}

#[component]
pub(crate) fn Dialog(
    #[prop(into)] title: Signal<String>,
    /// Words of the button that answers.
    #[prop(into)]
    answer: Signal<String>,
    #[prop(default = Tone::Plain)] tone: Tone,
    /// There is nothing to refuse: it has the one button.
    #[prop(optional)]
    only_tells: bool,
    #[prop(into)] ready: Signal<bool>,
    call: Call,
    on_answer: Callback<()>,
    on_close: Callback<()>,
    children: Children,
) -> impl IntoView {
    Hold::expect().while_mounted();
    let element = NodeRef::<html::Dialog>::new();
    open_when_mounted(element);
    let close = move |_| {
        if let Some(dialog) = element.get_untracked() {
            dialog.close();
        }
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        if ready.get_untracked() && !call.busy.get_untracked() {
            on_answer.run(());
        }
    };
    view! {
        <dialog node_ref=element class="dialog" aria-labelledby="dialog-title" on:close=move |_| on_close.run(())>
            <form on:submit=submit novalidate autocomplete="off">
                <header>
                    <h2 id="dialog-title">{move || title.get()}</h2>
                    <button type="button" class="ghost square" aria-label=tr("Close") on:click=close>
                        <Pictogram icon=Icon::Close />
                    </button>
                </header>
                <div class="body">{children()}</div>
                <Failure error=call.error />
                <footer>
                    {(!only_tells).then(|| view! { <button type="button" on:click=close>{tr("Cancel")}</button> })}
                    <button
                        type="submit"
                        class=if tone == Tone::Danger { "danger" } else { "primary" }
                        disabled=move || !ready.get() || call.busy.get()
                        aria-busy=move || call.busy.get().to_string()
                        data-testid="dialog-answer"
                    >
                        {move || answer.get()}
                    </button>
                </footer>
            </form>
        </dialog>
    }
}

/// Shows it as modal as soon as it is in the document, with the focus on what `autofocus` marks.
fn open_when_mounted(element: NodeRef<html::Dialog>) {
    Effect::new(move |_| {
        let Some(dialog) = element.get() else { return };
        if !dialog.open() {
            // It fails only for a dialog that isn't in the document.
            _ = dialog.show_modal();
            let wanted = dialog.query_selector("[autofocus]").ok().flatten();
            if let Some(field) = wanted.and_then(|field| field.dyn_into::<web_sys::HtmlElement>().ok()) {
                _ = field.focus();
            }
        }
    });
}
