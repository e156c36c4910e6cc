//! Who goes with unsaved changes is asked.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use wasm_bindgen::closure::Closure;
use web_sys::{HtmlElement, MouseEvent};

use super::drafts::Drafts;
use crate::components::dialog::Tone;
use crate::dialogs::{Confirm, Sending, ask_confirm};
use crate::words::{fill, tr};

/// While the page is there: links to other pages, and the end of the tab.
pub(crate) fn guard(drafts: Drafts) {
    let unload = window_event_listener(leptos::ev::beforeunload, move |event| {
        if drafts.changed.try_with_untracked(|changed| !changed.is_empty()) == Some(true) {
            event.prevent_default();
        }
    });
    let leaving = StoredValue::new(false);
    let clicked = Closure::<dyn Fn(MouseEvent)>::new(move |event: MouseEvent| {
        let unsaved = drafts.changed.try_with_untracked(std::collections::BTreeMap::len).unwrap_or_default();
        if unsaved == 0
            || leaving.try_get_value() != Some(false)
            || event.meta_key()
            || event.ctrl_key()
            || event.shift_key()
        {
            return;
        }
        if let Some(link) = link_away(&event) {
            event.prevent_default();
            event.stop_immediate_propagation();
            ask(drafts, leaving, link, unsaved);
        }
    });
    // Before the router sees it: it listens where clicks arrive last.
    let function = clicked.as_ref().unchecked_ref::<js_sys::Function>().clone();
    _ = window().add_event_listener_with_callback_and_bool("click", &function, true);
    let held = StoredValue::new_local((clicked, function));
    on_cleanup(move || {
        unload.remove();
        held.with_value(|(_, function)| {
            _ = window().remove_event_listener_with_callback_and_bool("click", function, true)
        });
    });
}

/// The link to another page that was clicked.
fn link_away(event: &MouseEvent) -> Option<HtmlElement> {
    let target = event.target()?.dyn_into::<web_sys::Element>().ok()?;
    let link = target.closest("a[href]").ok().flatten()?;
    let path = |address: &str| address.split(['?', '#']).next().unwrap_or_default().to_owned();
    let href = js_sys::Reflect::get(&link, &"href".into()).ok()?.as_string()?;
    let here = window().location().href().ok()?;
    let leads_away = path(&href) != path(&here) && link.get_attribute("target").is_none();
    leads_away.then(|| link.dyn_into().ok()).flatten()
}

fn ask(drafts: Drafts, leaving: StoredValue<bool>, link: HtmlElement, unsaved: usize) {
    let link = StoredValue::new_local(link);
    let submit = Callback::new(move |()| -> Sending {
        Box::pin(async move {
            drafts.drop_all();
            leaving.set_value(true);
            link.with_value(HtmlElement::click);
            Ok(tr("The changes were dropped.").to_owned())
        })
    });
    ask_confirm(Confirm {
        title: tr("Leave without saving?").to_owned(),
        answer: "Leave",
        tone: Tone::Danger,
        consequences: None,
        lines: vec![fill("{} settings were changed and not saved.", &[&unsaved])],
        typed: None,
        submit,
    });
}
