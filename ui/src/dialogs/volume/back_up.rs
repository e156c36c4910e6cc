//! Send what a volume holds, or a snapshot of it, to its backup target.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aurochs_api::volume::VolumeState;
use leptos::prelude::*;
use leptos::task::spawn_local;
use serde_json::{Value, json};

use super::batch::{Batch, act, address, subject};
use crate::api::{self, ApiError};
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, Questions, ask_form};
use crate::live::{Live, Thing};
use crate::words::{fill, tr};

/// Takes a snapshot of each volume first.
pub(super) fn ask(names: Vec<String>) {
    let title = fill("Back up {}", &[&subject(&names)]);
    open(title, names, None);
}

/// Sends a snapshot that there is.
pub(crate) fn ask_snapshot(volume: String, snapshot: String) {
    let title = fill("Back up the snapshot {}", &[&snapshot]);
    open(title, vec![volume], Some(snapshot));
}

fn open(title: String, names: Vec<String>, snapshot: Option<String>) {
    let live = Live::expect();
    let targets = names.iter().filter_map(|name| live.volumes.row(name));
    let targets: Vec<String> = targets.map(|row| row.get_untracked().backup_target_name.clone()).collect();
    spawn_local(async move {
        let known = api::get("v1/backuptargets").await.map(|found| found.items("data")).unwrap_or_default();
        let of_these = known.into_iter().filter(|target| targets.iter().any(|name| name == target.id()));
        let of_these: Vec<Thing> = of_these.collect();
        show(title, names, snapshot, of_these);
    });
}

fn show(title: String, names: Vec<String>, snapshot: Option<String>, targets: Vec<Thing>) {
    let what = subject(&names);
    let takes_first = snapshot.is_none();
    let batch = Batch::new(names);
    // What was taken before a refusal is sent at the next try; another snapshot would be one too many.
    let taken = Arc::new(Mutex::new(BTreeMap::<String, String>::new()));
    ask_form(FormQuestion {
        title,
        answer: "Back up",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(move || view! { <Where targets=targets.clone() takes_first /> })),
        fields: vec![
            Field::toggle("full", "Full backup")
                .hint("Sends every block again, also those that are in the target already"),
            Field::labels("labels", "Labels").hint("Kept with the backup").advanced(),
        ],
        preview: None,
        submit: Callback::new(move |values: Values| {
            let mode = if values.flag("full") { "full" } else { "incremental" };
            let labels = values.at("labels").filter(|labels| labels.is_object()).cloned().unwrap_or_else(|| json!({}));
            let (snapshot, taken) = (snapshot.clone(), Arc::clone(&taken));
            batch.each(fill("{} is being backed up.", &[&what]), move |volume| {
                let (snapshot, taken, labels) = (snapshot.clone(), Arc::clone(&taken), labels.clone());
                async move {
                    let name = match snapshot {
                        Some(name) => name,
                        None => take(&volume, &taken).await?,
                    };
                    let body = json!({ "name": name, "labels": labels, "backupMode": mode });
                    act(&volume, "snapshotBackup", &body).await
                }
            })
        }),
    });
}

/// A snapshot to send. A volume that nobody uses is attached for it by the manager.
async fn take(volume: &str, taken: &Mutex<BTreeMap<String, String>>) -> Result<String, ApiError> {
    let known = taken.lock().unwrap_or_else(PoisonError::into_inner).get(volume).cloned();
    if let Some(name) = known {
        return Ok(name);
    }
    let attached =
        Live::expect().volumes.row(volume).is_some_and(|row| row.get_untracked().state == VolumeState::Attached);
    let action = if attached { "snapshotCreate" } else { "snapshotCRCreate" };
    let made = api::post(&address(volume, action), &Value::Object(serde_json::Map::new())).await?;
    let name = made.text("name").to_owned();
    taken.lock().unwrap_or_else(PoisonError::into_inner).insert(volume.to_owned(), name.clone());
    Ok(name)
}

/// Where it goes, and what keeps it from going there.
#[component]
fn Where(targets: Vec<Thing>, takes_first: bool) -> impl IntoView {
    let first = takes_first.then(|| tr("A snapshot is taken first, and sent. Reading and writing go on."));
    let line = |target: Thing| {
        let url = target.text("backupTargetURL").to_owned();
        if url.is_empty() {
            let close = move |_| Questions::expect().close();
            return view! {
                <p class="failure">
                    {fill("The backup target {} has no address yet.", &[&target.id()])}" "
                    <a href="backup-targets" on:click=close><strong>{tr("Give it one")}</strong></a>
                </p>
            }
            .into_any();
        }
        let note = (!target.flag("available")).then(|| tr("It can't be reached now: the backup waits for it."));
        view! { <p>{tr("To")}" "<strong>{target.id().to_owned()}</strong>" "<span class="dim mono">{url}</span>" "{note}</p> }.into_any()
    };
    view! { <p class="dim">{first}</p>{targets.into_iter().map(line).collect_view()} }
}
