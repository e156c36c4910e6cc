//! The dashboard: a client-side application, mounted into the page shell that the manager sends.
//!
//! The way of a change, from the socket to the eye:
//! 1. `live/` owns the WebSocket, gathers what arrives within one animation frame and hands out one signal per resource;
//! 2. `model/` derives from a resource what people ask: its phase, what may be done with it, how its snapshots hang together;
//! 3. `words/` is the only place where a typed state becomes text, and where texts become those of the chosen language;
//!    `components/badge.rs` is the only one where a state becomes a shape;
//! 4. `pages/` put `panels/` together, panels are made of `components/`.
//!
//! What only some pages show is read as JSON (`live/thing.rs`, `live/lists.rs`) and shown by tables, forms and facts that
//! are data (`components/table`, `components/form`): a page more costs the browser a few kilobytes.
//!
//! And of a click: a panel raises a question (`dialogs/`), the answer goes through `api.rs`, and the change comes back by 1.
//!
//! Invariants: every URL is relative to the document's base, so that any path prefix works; nothing typed is lost when
//! the server refuses; lists stand still while a menu or a dialog is open (`hold.rs`).

#![expect(unreachable_pub, reason = "the component macro makes every component `pub` inside its private module")]

mod address;
mod api;
mod app;
mod clock;
mod components;
mod dialogs;
mod hold;
mod language;
mod live;
mod model;
mod notices;
mod pages;
mod panels;
mod role;
mod theme;
mod words;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page shell as soon as the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    wasm_bindgen_futures::spawn_local(async {
        language::Language::chosen().prepare().await;
        app::mount();
    });
}
