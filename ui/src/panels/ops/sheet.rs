//! A dialog that only tells.

use leptos::html;
use leptos::prelude::*;

use crate::components::icon::{Icon, Pictogram};
use crate::hold::Hold;
use crate::words::tr;

#[component]
pub(crate) fn Sheet(
    /// Already translated.
    #[prop(into)]
    title: Signal<String>,
    on_close: Callback<()>,
    /// What can be done, beside "Close".
    #[prop(optional, into)]
    actions: ViewFn,
    children: Children,
) -> impl IntoView {
    Hold::expect().while_mounted();
    let element = NodeRef::<html::Dialog>::new();
    Effect::new(move |_| {
        let Some(dialog) = element.get() else { return };
        if !dialog.open() {
            // It fails only for a dialog that isn't in the document.
            _ = dialog.show_modal();
        }
    });
    let close = move |_| {
        if let Some(dialog) = element.get_untracked() {
            dialog.close();
        }
    };
    view! {
        <dialog node_ref=element class="dialog telling" aria-labelledby="sheet-title" on:close=move |_| on_close.run(())>
            <div class="telling-body">
                <header>
                    <h2 id="sheet-title">{move || title.get()}</h2>
                    <button type="button" class="ghost square" aria-label=tr("Close") on:click=close>
                        <Pictogram icon=Icon::Close />
                    </button>
                </header>
                <div class="body" tabindex="0" role="region" aria-label=move || title.get()>{children()}</div>
                <footer>{actions.run()}<button type="button" on:click=close>{tr("Close")}</button></footer>
            </div>
        </dialog>
    }
}
