//! A setting with its definition.

use aurochs_api::schema::Resource;
use aurochs_api::setting::Setting as SettingView;

use super::envelope::Links;
use crate::resources::{Object, Setting};
use crate::settings::Definition;

/// What was never written has its default, which is in force.
#[must_use]
pub fn resource(row: &Definition, stored: Option<&Object<Setting>>, links: Links<'_>) -> Resource<SettingView> {
    let name = row.name.word();
    let view = SettingView {
        name: name.to_owned(),
        value: stored.map_or_else(|| row.default.to_owned(), |stored| stored.spec.value.clone()),
        applied: stored.is_none_or(|stored| stored.status.applied),
        definition: row.to_api(),
        causes: stored.map(|stored| stored.status.causes.clone()).unwrap_or_default(),
    };
    links.thing(name, view)
}
