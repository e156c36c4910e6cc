//! Take volumes away from their nodes.

use leptos::prelude::*;
use serde_json::json;

use super::batch::{Batch, subject, what_if};
use crate::components::consequences::Consequences;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::dialogs::{FormQuestion, ask_form};
use crate::live::Live;
use crate::words::{fill, tr};

pub(super) fn ask(names: Vec<String>) {
    let what = subject(&names);
    let preview = what_if("detach", &names, "").map(|address| {
        let address = Signal::stored(address);
        Callback::new(move |_: Signal<Values>| view! { <Consequences address /> }.into_any())
    });
    let batch = Batch::new(names.clone());
    ask_form(FormQuestion {
        title: fill("Detach {}", &[&what]),
        answer: "Detach",
        tone: Tone::Plain,
        intro: Some(ViewFn::from(move || view! { <Users names=names.clone() /> })),
        fields: vec![Field::toggle("forceDetach", "Detach by force").hint(
            "Also from workloads and mounted file systems: what is in memory is written, and open files then fail",
        )],
        preview,
        submit: Callback::new(move |values: Values| {
            let body = json!({ "hostId": "", "forceDetach": values.flag("forceDetach") });
            batch.act("detach", body, fill("Detaching {}.", &[&what]))
        }),
    });
}

/// Who loses it: the device, and the pods that have it.
#[component]
fn Users(names: Vec<String>) -> impl IntoView {
    let live = Live::expect();
    let line = move |name: &String| {
        let volume = live.volumes.get(name)?;
        let (node, device) = (volume.node().to_owned(), volume.endpoint().to_owned());
        let device = if device.is_empty() {
            tr("No device is offered now.").to_owned()
        } else {
            fill("{} goes away.", &[&device])
        };
        let users = volume.kubernetes_status.workloads_status.iter().flatten();
        let users: Vec<String> = users.map(|user| user.pod_name.clone()).filter(|name| !name.is_empty()).collect();
        let users = (!users.is_empty()).then(|| fill(" Used by {}.", &[&users.join(", ")]));
        Some(view! { <li><strong>{name.clone()}</strong>" "{node}": "<span class="dim">{device}{users}</span></li> })
    };
    view! {
        <p>{tr("Unmount the file system first: whoever still uses the device gets errors. The data stays.")}</p>
        <ul class="consequences">{move || names.iter().filter_map(line).collect_view()}</ul>
    }
}
