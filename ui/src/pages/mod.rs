//! One page an address. A page wires resources to panels.

pub(crate) mod dashboard;
pub(crate) mod missing;
pub(crate) mod nodes;
pub(crate) mod volume;
pub(crate) mod volumes;

use leptos::prelude::*;

/// Sets the title of the tab.
fn titled(title: impl Fn() -> String + 'static) {
    Effect::new(move |_| document().set_title(&format!("{} · Aurochs", title())));
}
