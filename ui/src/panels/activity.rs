//! What happened to a volume: its events, its jobs, and who asks for it to be attached.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use serde_json::json;

use crate::address;
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::live::{ListState, Thing, follow, follow_at};
use crate::pages::{events, jobs};
use crate::panels::ops::acts::{danger, entry};
use crate::panels::ops::job::ask_cancel;
use crate::role::may_write;
use crate::words::{self, Mark, tr};

/// More is on the page of all jobs.
const JOBS_MAXIMUM: u32 = 200;

const fn column(key: &'static str, label: &'static str, kind: Kind, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind, hidden: false, value, view: None }
}

#[component]
pub(crate) fn EventsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let list = follow("events");
    let rows = Signal::derive(move || {
        let Some(volume) = volume.get() else { return Vec::new() };
        list.all().into_iter().filter(|event| is_about(event, &volume)).collect::<Vec<_>>()
    });
    view! {
        <section class="card" aria-labelledby="events-title" data-testid="events">
            <h2 id="events-title">{tr("Events")}</h2>
            <DataTable
                id="volume-events"
                caption="Events"
                prefix="event"
                rows
                state=Signal::derive(move || list.state())
                columns=events::columns()
                filters=events::filters()
                order=("last", true)
                retry=Callback::new(move |()| list.refresh())
                empty=|| view! { <p class="calm dim">{tr("Nothing happened that would be kept.")}</p> }
            />
        </section>
    }
}

/// An event of the volume itself, or of what it is made of: engines, replicas and snapshots are named after it.
fn is_about(event: &Thing, volume: &Volume) -> bool {
    let (kind, name) = (event.text("event.involvedObject.kind"), event.text("event.involvedObject.name"));
    let own = |mark: &str| name.strip_prefix(&volume.name).is_some_and(|rest| rest.starts_with(mark));
    match kind {
        "Engine" => own("-e-"),
        "Replica" => own("-r-"),
        "Snapshot" => own(".") || volume.snapshots.iter().any(|layer| layer.name == name),
        "Volume" | "VolumeAttachment" => name == volume.name,
        _ => false,
    }
}

/// The last jobs of the volume; each row follows its progress by itself.
#[component]
pub(crate) fn VolumeJobsPanel(name: Memo<String>) -> impl IntoView {
    let address = Signal::derive(move || {
        let name = String::from(js_sys::encode_uri_component(&name.get()));
        format!("v1/jobs?volume={name}&limit={JOBS_MAXIMUM}")
    });
    let list = follow_at(address);
    let rows = Signal::derive(move || list.all());
    let menu = Callback::new(|job: Thing| -> Vec<Entry> {
        let page = format!("jobs?job={}", job.id());
        let mut entries = vec![entry(tr("Details and log…"), None, move || address::go(&page))];
        if untrack(may_write) && job.text("state") == "running" {
            let why = job.told("cancelRefusal");
            let why = if why.is_empty() { tr("Not possible now").to_owned() } else { why };
            let refusal = (!job.has_action("cancel")).then_some(why);
            entries.push(danger(tr("Cancel…"), refusal, move || ask_cancel(&job)));
        }
        entries
    });
    view! {
        <section class="card" aria-labelledby="volume-jobs-title" data-testid="volume-jobs">
            <div class="head">
                <h2 id="volume-jobs-title">{tr("Jobs")}</h2>
                <a class="right xs" href=move || format!("jobs?volume={}", name.get())>{tr("All jobs")}</a>
            </div>
            <DataTable
                id="volume-jobs"
                caption="Jobs"
                prefix="work"
                rows
                state=Signal::derive(move || list.state())
                columns=jobs::columns()
                menu
                retry=Callback::new(move |()| list.refresh())
                empty=|| view! { <p class="calm dim">{tr("No long work was done to it yet.")}</p> }
            />
        </section>
    }
}

/// Who asks for the volume on which node: tickets.
#[component]
pub(crate) fn TicketsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let rows = Signal::derive(move || {
        let Some(volume) = volume.get() else { return Vec::new() };
        let tickets = volume.volume_attachment.attachments.values();
        let row = |ticket: &aurochs_api::attachment::Attachment| {
            let told = ticket.conditions.iter().map(|condition| condition.last_transition_time.as_str()).max();
            Thing::from(json!({
                "id": if ticket.attachment_id.is_empty() { "–" } else { ticket.attachment_id.as_str() },
                "type": words::ticket(&ticket.attachment_type),
                "node": ticket.node_id,
                "satisfied": ticket.satisfied,
                "maintenance": ticket.parameters.get("disableFrontend").is_some_and(|flag| flag == "true"),
                "at": told.unwrap_or_default(),
            }))
        };
        tickets.map(row).collect::<Vec<_>>()
    });
    view! {
        <section class="card" aria-labelledby="tickets-title" data-testid="tickets">
            <h2 id="tickets-title">{tr("Who wants it attached")}</h2>
            <DataTable
                id="volume-tickets"
                caption="Who wants it attached"
                prefix="ticket"
                rows
                state=Signal::stored(ListState::Ready)
                columns=ticket_columns()
                empty=|| view! { <p class="calm dim">{tr("Nobody asks for it, so it is detached.")}</p> }
            />
        </section>
    }
}

fn ticket_columns() -> Vec<Column> {
    vec![
        column("type", "Who", Kind::Text, |row| Value::text(row.text("type"))),
        column("node", "Node", Kind::Text, |row| Value::text(row.text("node"))),
        column("satisfied", "State", Kind::State, |row| {
            if row.flag("satisfied") {
                Value::State(Mark::Healthy, tr("Has it").to_owned())
            } else {
                Value::State(Mark::Progress, tr("Waits").to_owned())
            }
        }),
        column("mode", "Mode", Kind::Text, |row| {
            Value::text(if row.flag("maintenance") { tr("maintenance") } else { tr("with its device") })
        }),
        column("at", "Since", Kind::Time, |row| Value::Time(row.text("at").to_owned())),
        column("id", "Ticket", Kind::Text, |row| Value::text(row.id())),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_its_parts_are_its_own() {
        let volume = Volume { name: "data".into(), ..Volume::default() };
        let event = |kind: &str, name: &str| {
            Thing::from(json!({ "event": { "involvedObject": { "kind": kind, "name": name } } }))
        };
        for (kind, name, expected) in [
            ("Volume", "data", true),
            ("Volume", "data-2", false),
            ("Replica", "data-r-1a2b", true),
            ("Replica", "data-2-r-1a2b", false),
            ("Engine", "data-e-0", true),
            ("Snapshot", "data.s1", true),
            ("Snapshot", "s1", false),
            ("Node", "data", false),
        ] {
            assert_eq!(is_about(&event(kind, name), &volume), expected, "{kind} {name}");
        }
    }
}
