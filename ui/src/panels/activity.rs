//! What happened to a volume: its events, its jobs, and who asks for it to be attached.

use std::sync::Arc;

use aurochs_api::volume::Volume;
use leptos::prelude::*;
use serde_json::json;

use crate::api;
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::live::{ListState, Live, Thing, follow, follow_at};
use crate::notices::Notices;
use crate::role::may_write;
use crate::words::{self, Mark, tr};

/// More is on the page of all jobs.
const JOBS_MAXIMUM: u32 = 200;

const fn column(key: &'static str, label: &'static str, kind: Kind, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind, hidden: false, value, view: None }
}

const fn hidden(key: &'static str, label: &'static str, kind: Kind, value: fn(&Thing) -> Value) -> Column {
    Column { key, label, kind, hidden: true, value, view: None }
}

#[component]
pub(crate) fn EventsPanel(volume: Memo<Option<Arc<Volume>>>) -> impl IntoView {
    let events = follow("events");
    let rows = Signal::derive(move || {
        let Some(volume) = volume.get() else { return Vec::new() };
        events.all().into_iter().filter(|event| is_about(event, &volume)).collect::<Vec<_>>()
    });
    view! {
        <section class="card" aria-labelledby="events-title" data-testid="events">
            <h2 id="events-title">{tr("Events")}</h2>
            <DataTable
                id="volume-events"
                caption="Events"
                prefix="event-"
                rows
                state=Signal::derive(move || events.state())
                columns=event_columns()
                order=("last", true)
                retry=Callback::new(move |()| events.refresh())
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

fn event_columns() -> Vec<Column> {
    vec![
        column("last", "Last seen", Kind::Time, |row| Value::Time(row.text("event.lastTimestamp").to_owned())),
        column("type", "Type", Kind::State, |row| match row.text("eventType") {
            "Warning" => Value::State(Mark::Degraded, tr("Warning").to_owned()),
            _ => Value::State(Mark::Healthy, tr("Normal").to_owned()),
        }),
        column("reason", "Reason", Kind::Text, |row| Value::text(row.text("event.reason"))),
        column("message", "Message", Kind::Text, |row| Value::text(row.text("event.message"))),
        column("count", "Count", Kind::Number, |row| row.number("event.count").map_or(Value::None, Value::Number)),
        hidden("object", "Object", Kind::Text, |row| Value::text(row.text("event.involvedObject.name"))),
        hidden("kind", "Kind", Kind::Text, |row| Value::text(row.text("event.involvedObject.kind"))),
        hidden("first", "First seen", Kind::Time, |row| Value::Time(row.text("event.firstTimestamp").to_owned())),
        hidden("source", "Source", Kind::Text, |row| Value::text(row.text("event.source.component"))),
    ]
}

/// The last jobs of the volume. What runs is in the live stream too; each change of it asks for the list again.
#[component]
pub(crate) fn VolumeJobsPanel(name: Memo<String>) -> impl IntoView {
    let live = Live::expect();
    let notices = Notices::expect();
    let address = Signal::derive(move || {
        let name = String::from(js_sys::encode_uri_component(&name.get()));
        format!("v1/jobs?volume={name}&limit={JOBS_MAXIMUM}")
    });
    let list = follow_at(address);
    let rows = Signal::derive(move || {
        let rows = list.all();
        // The stream is fresher than the list.
        let fresh = |row: Thing| match live.jobs.row(row.id()) {
            Some(job) => {
                let mut json = row.json().clone();
                let job = job.get();
                json["state"] = job.state.word().into();
                json["doneBytes"] = job.done_bytes.into();
                json["plannedBytes"] = job.planned_bytes.into();
                Thing::from(json)
            }
            None => row,
        };
        rows.into_iter().map(fresh).collect::<Vec<_>>()
    });
    let menu = Callback::new(move |job: Thing| -> Vec<Entry> {
        let refusal = (!job.has_action("cancel")).then(|| match job.text("cancelRefusal") {
            "" => tr("It has ended").to_owned(),
            why => why.to_owned(),
        });
        let address = format!("{}?action=cancel", api::address_of("jobs", job.id()));
        let cancel = Entry {
            label: tr("Cancel").to_owned(),
            refusal,
            danger: true,
            choose: Callback::new(move |()| {
                let address = address.clone();
                leptos::task::spawn_local(async move {
                    match api::post(&address, &json!({})).await {
                        Ok(_) => notices.done(tr("It is being cancelled.")),
                        Err(error) => notices.failed(error),
                    }
                });
            }),
        };
        if untrack(may_write) { vec![cancel] } else { Vec::new() }
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
                prefix="work-"
                rows
                state=Signal::derive(move || list.state())
                columns=job_columns()
                menu
                retry=Callback::new(move |()| list.refresh())
                empty=|| view! { <p class="calm dim">{tr("No long work was done to it yet.")}</p> }
            />
        </section>
    }
}

fn job_columns() -> Vec<Column> {
    vec![
        column("kind", "Work", Kind::Text, |row| Value::text(words::job_kind(row.text("kind")))),
        column("state", "State", Kind::State, |row| {
            let (mark, word) = words::job_state(row.text("state"));
            Value::State(mark, word.to_owned())
        }),
        column("done", "Done", Kind::Bytes, |row| Value::Bytes(row.bytes("doneBytes").bytes())),
        column("started", "Started", Kind::Time, |row| Value::Time(row.text("startedAt").to_owned())),
        column("ended", "Ended", Kind::Time, |row| Value::Time(row.text("endedAt").to_owned())),
        column("by", "Started by", Kind::Text, |row| Value::text(row.text("startedBy"))),
        column("message", "Message", Kind::Text, |row| Value::text(row.text("message"))),
        hidden("object", "Object", Kind::Text, |row| Value::text(row.text("object"))),
        hidden("node", "Node", Kind::Text, |row| Value::text(row.text("node"))),
    ]
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
                prefix="ticket-"
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
