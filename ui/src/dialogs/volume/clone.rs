//! Make a volume of another one: one with all its fields, several with names that begin alike.

use std::sync::Arc;

use aurochs_api::ids::VolumeName;
use aurochs_api::volume::Volume;
use leptos::prelude::*;
use serde_json::{Value, json};

use super::batch::{Batch, subject};
use super::create;
use crate::api;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::live::Live;
use crate::words::{fill, tr};

const PREFIX: &str = "prefix";

pub(super) fn ask(names: Vec<String>) {
    let live = Live::expect();
    let volumes: Vec<Arc<Volume>> =
        names.iter().filter_map(|name| live.volumes.row(name)).map(|row| row.get_untracked()).collect();
    match volumes.as_slice() {
        [volume] => create::ask_like(create::preset(volume, None)),
        _ => ask_many(names, volumes),
    }
}

fn ask_many(names: Vec<String>, volumes: Vec<Arc<Volume>>) {
    let what = subject(&names);
    let batch = Batch::new(names);
    ask_form(FormQuestion {
        title: fill("Clone {}", &[&what]),
        answer: "Clone",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(|| {
            view! { <p>{tr("Each copy gets all data of its volume, and has its size and its settings.")}</p> }
        })),
        fields: vec![Field::text(PREFIX, "Names begin with").required().value("cloned-").check(check_prefix)],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let (prefix, volumes) = (values.text(PREFIX), volumes.clone());
            batch.each(fill("{} are being copied.", &[&what]), move |name| {
                let source = volumes.iter().find(|volume| volume.name == name).cloned();
                let body = source.map(|source| body(&source, format!("{prefix}{name}")));
                async move {
                    match body {
                        Some(body) => api::post("v1/volumes", &body).await.map(drop),
                        None => Ok(()),
                    }
                }
            })
        }),
    });
}

fn body(source: &Volume, name: String) -> Value {
    json!({
        "name": name,
        "size": source.size.bytes().to_string(),
        "dataSource": format!("vol://{}", source.name),
        "numberOfReplicas": source.number_of_replicas,
        "frontend": source.frontend.word(),
        "dataLocality": source.data_locality.word(),
        "accessMode": source.access_mode.word(),
        "backupTargetName": source.backup_target_name,
        "nodeSelector": source.node_selector,
        "diskSelector": source.disk_selector,
    })
}

fn check_prefix(prefix: &str, _: &Values) -> Result<(), String> {
    format!("{prefix}a").parse::<VolumeName>().map(drop).map_err(|error| error.to_string())
}
