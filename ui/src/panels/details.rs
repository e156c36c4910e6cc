//! All facts about a volume: how it is, where it is, what it is made of, who uses it.

use std::sync::Arc;

use aurochs_api::condition::ConditionStatus;
use aurochs_api::size::ByteSize;
use aurochs_api::volume::phase::Phase;
use aurochs_api::volume::{Robustness, Volume};
use leptos::prelude::*;

use crate::components::facts::{FactList, fact};
use crate::components::when::When;
use crate::words::{self, fill, told, tr};

/// One fact: its English name and what it says of a volume; empty for nothing to say.
type Fact = (&'static str, fn(&Volume) -> String);

const SHORT: [Fact; 6] = [
    ("Size", |volume| volume.size.to_string()),
    ("Actual size", actual),
    ("Replicas wished", |volume| volume.number_of_replicas.to_string()),
    ("Data locality", |volume| words::data_locality(volume.data_locality.word()).to_owned()),
    ("Access mode", |volume| words::access_mode(volume.access_mode.word()).to_owned()),
    ("Claim", claim),
];

const STATE: [Fact; 7] = [
    ("State", |volume| words::phase(Phase::of(volume)).to_owned()),
    ("Health", |volume| health(volume.robustness).to_owned()),
    ("Ready for workloads", ready),
    ("Conditions", conditions),
    ("Attached to", |volume| volume.node().to_owned()),
    ("Endpoint", |volume| volume.endpoint().to_owned()),
    ("Expansion", expansion),
];

const MADE: [Fact; 15] = [
    ("Size", |volume| volume.size.to_string()),
    ("Actual size", actual),
    ("Frontend", |volume| words::frontends(volume.frontend.word(), &volume.frontend_in_use)),
    ("Data engine", |volume| volume.data_engine.clone()),
    ("Engine image", |volume| volume.current_image.clone()),
    ("Instance manager", |volume| {
        volume.controllers.first().map(|engine| engine.instance_manager_name.clone()).unwrap_or_default()
    }),
    ("Copy of", |volume| volume.data_source.clone()),
    ("Restored from", |volume| volume.from_backup.clone()),
    ("Only in the backup yet", remote),
    ("Backing image", |volume| volume.backing_image.clone()),
    ("Encrypted", |volume| yes_or_no(volume.encrypted)),
    ("Standby", |volume| yes_or_no(volume.standby)),
    ("Node tags", |volume| volume.node_selector.join(", ")),
    ("Disk tags", |volume| volume.disk_selector.join(", ")),
    ("Revision counter", |volume| yes_or_no(!volume.revision_counter_disabled)),
];

const BACKUP: [Fact; 3] = [
    ("Backup target", |volume| volume.backup_target_name.clone()),
    ("Block size of backups", |volume| volume.backup_block_size.to_string()),
    ("Last backup", |volume| volume.last_backup.clone()),
];

const KUBERNETES: [Fact; 6] = [
    ("Persistent volume", |volume| with_state(&volume.kubernetes_status.pv_name, &volume.kubernetes_status.pv_status)),
    ("Claim", claim),
    ("Pods", |volume| workloads(volume, |user| with_state(&user.pod_name, &user.pod_status))),
    ("Workloads", |volume| workloads(volume, |user| with_state(&user.workload_name, &user.workload_type))),
    ("Claim last seen", |volume| volume.kubernetes_status.last_pvc_ref_at.clone()),
    ("Pod last seen", |volume| volume.kubernetes_status.last_pod_ref_at.clone()),
];

/// Of a volume that is used before all of its data is there.
const RESTORED: [Fact; 1] = [("Only in the backup yet", remote)];

/// What people look for first.
#[component]
pub(crate) fn DetailsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let created = Signal::derive(move || volume.get().map(|volume| volume.created.clone()).unwrap_or_default());
    let is_remote = Memo::new(move |_| volume.get().is_some_and(|volume| volume.remote_size > ByteSize::ZERO));
    view! {
        <section class="card" aria-labelledby="details-title">
            <h2 id="details-title">{tr("Details")}</h2>
            {facts(volume, &SHORT)}
            <Show when=move || is_remote.get()>{facts(volume, &RESTORED)}</Show>
            <FactList facts=vec![("Created", view! { <When text=created /> }.into_any())] />
        </section>
    }
}

/// Everything.
#[component]
pub(crate) fn FactsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let created = Signal::derive(move || volume.get().map(|volume| volume.created.clone()).unwrap_or_default());
    let last_backup =
        Signal::derive(move || volume.get().map(|volume| volume.last_backup_at.clone()).unwrap_or_default());
    let is_claimed =
        Memo::new(move |_| volume.get().is_some_and(|volume| !volume.kubernetes_status.pv_name.is_empty()));
    view! {
        <section class="card" aria-labelledby="facts-title" data-testid="facts">
            <h2 id="facts-title">{tr("Facts")}</h2>
            {facts(volume, &STATE)}
            <h3>{tr("What it is")}</h3>
            {facts(volume, &MADE)}
            <FactList facts=vec![("Created", view! { <When text=created /> }.into_any())] />
            <h3>{tr("Backups")}</h3>
            {facts(volume, &BACKUP)}
            <FactList facts=vec![("Last backup at", view! { <When text=last_backup /> }.into_any())] />
            <Show when=move || is_claimed.get()>
                <h3>"Kubernetes"</h3>
                {facts(volume, &KUBERNETES)}
            </Show>
        </section>
    }
}

/// Each value follows the volume by itself.
fn facts(volume: Memo<Option<Arc<Volume>>>, facts: &'static [Fact]) -> impl IntoView {
    let value = move |(label, value): &'static Fact| {
        let text = Memo::new(move |_| volume.get().map(|volume| (*value)(&volume)).unwrap_or_default());
        (*label, fact(move || text.get()))
    };
    let facts: Vec<(&'static str, AnyView)> = facts.iter().map(value).collect();
    view! { <FactList facts /> }
}

fn actual(volume: &Volume) -> String {
    match volume.controllers.first() {
        Some(controller) => controller.actual_size.to_string(),
        None => tr("known while attached").to_owned(),
    }
}

/// What an instant restore has not fetched yet.
fn remote(volume: &Volume) -> String {
    if volume.remote_size == ByteSize::ZERO { String::new() } else { volume.remote_size.to_string() }
}

fn health(robustness: Robustness) -> &'static str {
    match robustness {
        Robustness::Healthy => tr("Healthy"),
        Robustness::Degraded => tr("Degraded"),
        Robustness::Faulted => tr("Faulted"),
        Robustness::Unknown => tr("Unknown"),
    }
}

fn ready(volume: &Volume) -> String {
    if volume.ready { tr("Yes").to_owned() } else { fill("No: {}", &[&told(&volume.not_ready_message)]) }
}

fn conditions(volume: &Volume) -> String {
    let told = volume.conditions.iter().filter(|(_, condition)| condition.status != ConditionStatus::Unknown);
    let is_true = |status| if status == ConditionStatus::True { tr("yes") } else { tr("no") };
    told.map(|(kind, condition)| format!("{}: {}", words::condition(kind), is_true(condition.status)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn expansion(volume: &Volume) -> String {
    let Some(engine) = volume.controllers.first() else { return String::new() };
    match engine.last_expansion_error.as_str() {
        _ if engine.is_expanding => fill("Growing to {}", &[&volume.size]),
        "" => String::new(),
        error => format!("{error} ({})", engine.last_expansion_failed_at),
    }
}

fn yes_or_no(is: bool) -> String {
    let word = if is { tr("Yes") } else { tr("No") };
    word.to_owned()
}

fn claim(volume: &Volume) -> String {
    let claim = &volume.kubernetes_status;
    if claim.pvc_name.is_empty() { String::new() } else { format!("{} / {}", claim.namespace, claim.pvc_name) }
}

fn with_state(name: &str, state: &str) -> String {
    if state.is_empty() || name.is_empty() { name.to_owned() } else { format!("{name} ({state})") }
}

fn workloads(volume: &Volume, of: impl Fn(&aurochs_api::volume::WorkloadStatus) -> String) -> String {
    let all = volume.kubernetes_status.workloads_status.iter().flatten().map(of);
    all.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}
