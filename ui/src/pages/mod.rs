//! One page an address. A page wires resources to panels.

pub(crate) mod audit;
pub(crate) mod backing_images;
pub(crate) mod backup_targets;
pub(crate) mod backup_volume;
pub(crate) mod backups;
pub(crate) mod dashboard;
pub(crate) mod engine_images;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod instance_managers;
pub(crate) mod jobs;
pub(crate) mod missing;
pub(crate) mod node;
pub(crate) mod nodes;
pub(crate) mod orphans;
pub(crate) mod recurring_jobs;
pub(crate) mod settings;
pub(crate) mod support;
pub(crate) mod system_backups;
pub(crate) mod topology;
pub(crate) mod volume;
pub(crate) mod volumes;

use leptos::prelude::*;

/// Sets the title of the tab.
fn titled(title: impl Fn() -> String + 'static) {
    Effect::new(move |_| document().set_title(&format!("{} · Aurochs", title())));
}
