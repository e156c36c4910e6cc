//! Change what can be changed in place, of one volume or of many.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::json;

use super::batch::{Batch, act, subject};
use super::fields::{backup_targets, of_setting, typed};
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::live::Live;
use crate::model::volume_setting::{Group, SETTINGS, VolumeSetting};
use crate::words::{self, fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let live = Live::expect();
    let volumes: Vec<Arc<Volume>> =
        names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked()).collect();
    spawn_local(async move {
        let targets = backup_targets().await;
        let fields = Group::ALL.into_iter().flat_map(|group| of_group(group, &volumes, &targets)).collect();
        open(names, volumes, fields);
    });
}

/// Of one volume with the present values; of many, those that all of them have now are left out of nothing: blank stays.
fn of_group(group: Group, volumes: &[Arc<Volume>], targets: &[String]) -> Vec<Field> {
    let field = |setting: &'static VolumeSetting| {
        let present = match volumes {
            [volume] => Some((setting.present)(volume)),
            _ => None,
        };
        let field = of_setting(setting, present, targets);
        let refusal = volumes.iter().find_map(|volume| setting.refusal(volume));
        match refusal {
            Some(refusal) => field.hint(words::refusal(refusal)).fixed(),
            None => field,
        }
    };
    let own = SETTINGS.iter().filter(|setting| setting.group == group).map(field);
    std::iter::once(Field::heading(words::setting_group(group))).chain(own).collect()
}

fn open(names: Vec<String>, volumes: Vec<Arc<Volume>>, fields: Vec<Field>) {
    let (what, single) = (subject(&names), names.len() == 1);
    let batch = Batch::new(names);
    ask_form(FormQuestion {
        title: fill("Settings of {}", &[&what]),
        answer: "Save",
        tone: Tone::Plain,
        intro: (!single).then(|| {
            ViewFn::from(
                || view! { <p class="dim">{tr("What is left as it is keeps its own value in each volume.")}</p> },
            )
        }),
        fields,
        preview: None,
        submit: Callback::new(move |values: Values| {
            let changed = changed(&values, &volumes);
            let notice = match changed.len() {
                0 => tr("Nothing was changed.").to_owned(),
                _ => fill("Settings of {} are saved.", &[&what]),
            };
            batch.each(notice, move |volume| {
                let changed = changed.clone();
                async move {
                    for (setting, body) in &changed {
                        act(&volume, setting.action, body).await?;
                    }
                    Ok(())
                }
            })
        }),
    });
}

/// What differs from the present in at least one of the volumes, as bodies of its action.
fn changed(values: &Values, volumes: &[Arc<Volume>]) -> Vec<(&'static VolumeSetting, serde_json::Value)> {
    let body = |setting: &'static VolumeSetting| {
        let typed = typed(setting, values)?;
        let differs = |volume: &Arc<Volume>| (setting.present)(volume) != typed && setting.refusal(volume).is_none();
        if !volumes.iter().any(differs) {
            return None;
        }
        Some((setting, json!({ setting.field: setting.read(&typed).ok()? })))
    };
    SETTINGS.iter().filter_map(body).collect()
}
