//! Files inside of a snapshot or a backup: which ones are looked at, what is there, and taking them along.

mod choose;
mod folder;
mod row;
mod source;

pub(crate) use choose::Choose;
pub(crate) use folder::{Folder, load};
pub(crate) use row::{columns, crumbs, entries};
pub(crate) use source::{Place, Source, address_of_backup};

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// Goes to a page as a click on a link does, from where there is no link: an entry of a menu.
pub(crate) fn go(address: &str) {
    click(address, None);
}

/// Lets the browser save what an address answers.
pub(crate) fn download(address: &str) {
    click(address, Some(""));
}

fn click(address: &str, download: Option<&str>) {
    let Some(link) = document().create_element("a").ok().and_then(|link| link.dyn_into::<HtmlElement>().ok()) else {
        return;
    };
    // Setting attributes and adding a child of the body does not fail.
    _ = link.set_attribute("href", address);
    if let Some(name) = download {
        _ = link.set_attribute("download", name);
    }
    if let Some(body) = document().body() {
        _ = body.append_child(&link);
        link.click();
        link.remove();
    }
}
