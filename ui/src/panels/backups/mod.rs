//! Backups: what is in the targets, and what can be done with it.

mod columns;
mod entry;
mod fetch;
mod of_volume;
mod origin;
mod remove;
mod restore;
mod rows;
mod state;

pub(crate) use columns::{VolumeState, columns, filters, text, time};
pub(crate) use entry::{bulk, entries};
pub(crate) use fetch::{Fetched, fetch};
pub(crate) use of_volume::{backup_columns, backup_entries, several};
pub(crate) use origin::Origin;
pub(crate) use rows::with_progress;
pub(crate) use state::state;

use crate::components::menu::Entry;
use crate::live::Thing;

/// Where a backup volume's page is.
pub(crate) fn page_of(volume: &Thing) -> String {
    let part = |path| String::from(js_sys::encode_uri_component(volume.text(path)));
    format!("backups/{}/{}", part("backupTargetName"), part("volumeName"))
}

/// An entry of a menu, in words that are translated already. `refusal` says why it can't be chosen now.
pub(crate) fn entry(label: &str, refusal: Option<&str>, choose: impl Fn() + Send + Sync + 'static) -> Entry {
    Entry {
        label: label.to_owned(),
        refusal: refusal.map(str::to_owned),
        danger: false,
        choose: leptos::prelude::Callback::new(move |()| choose()),
    }
}

/// One that takes something away.
pub(crate) fn dangerous(entry: Entry) -> Entry {
    Entry { danger: true, ..entry }
}
