//! What happened to objects.

use leptos::prelude::*;

use super::titled;
use crate::address;
use crate::components::page::PageHead;
use crate::components::table::{Column, DataTable, Filter, Kind, Value};
use crate::live::{Thing, follow};
use crate::words::{Mark, fill, told, tr};

#[component]
pub(crate) fn EventsPage() -> impl IntoView {
    titled(|| tr("Events").to_owned());
    let events = follow("events");
    view! {
        <PageHead title=tr("Events") />
        <DataTable
            id="events"
            caption="Events"
            rows=Signal::derive(move || events.all())
            state=Signal::derive(move || events.state())
            columns=columns()
            filters=filters()
            retry=Callback::new(move |()| events.refresh())
            empty=|| view! { <p class="calm dim">{tr("Nothing has happened yet. Events appear here by themselves.")}</p> }
        />
    }
}

/// Longhorn's two types.
pub(crate) fn kind(event: &Thing) -> (Mark, &'static str) {
    match event.text("event.type") {
        "Warning" => (Mark::Degraded, tr("Warning")),
        _ => (Mark::Healthy, tr("Normal")),
    }
}

/// Where the object of an event is shown; none where it has no page.
pub(crate) fn target(event: &Thing) -> Option<String> {
    let name = event.text("event.involvedObject.name");
    match event.text("event.involvedObject.kind") {
        "Volume" => Some(address::volume(name)),
        "Node" => Some(format!("nodes/{name}")),
        "Setting" => Some(format!("settings?q={name}")),
        "Orphan" => Some("orphans".to_owned()),
        "RecurringJob" => Some("recurring-jobs".to_owned()),
        "BackupTarget" => Some("backup-targets".to_owned()),
        // `<volume>-r-<8 hex>`, `<volume>-e-<number>`
        "Replica" | "Engine" => {
            let end = name.rfind("-r-").or_else(|| name.rfind("-e-"))?;
            Some(address::volume(&name[..end]))
        }
        _ => None,
    }
}

/// The object, as a link where it has a page.
pub(crate) fn object(event: &Thing) -> AnyView {
    let name = event.text("event.involvedObject.name").to_owned();
    match target(event) {
        Some(target) => view! { <a class="link" href=target>{name}</a> }.into_any(),
        None => name.into_any(),
    }
}

fn distinct(events: &[Thing], path: &str) -> Vec<(String, String)> {
    let words: std::collections::BTreeSet<&str> = events.iter().map(|event| event.text(path)).collect();
    words.into_iter().filter(|word| !word.is_empty()).map(|word| (word.to_owned(), told(word))).collect()
}

pub(crate) fn filters() -> Vec<Filter> {
    vec![
        Filter {
            key: "type",
            label: "Type",
            choices: |_| {
                vec![("Normal".to_owned(), tr("Normal").to_owned()), ("Warning".to_owned(), tr("Warning").to_owned())]
            },
            matches: |event, word| event.text("event.type") == word,
        },
        Filter {
            key: "kind",
            label: "Kind",
            choices: |events| distinct(events, "event.involvedObject.kind"),
            matches: |event, word| event.text("event.involvedObject.kind") == word,
        },
        Filter {
            key: "reason",
            label: "Reason",
            choices: |events| distinct(events, "event.reason"),
            matches: |event, word| event.text("event.reason") == word,
        },
    ]
}

pub(crate) fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        Column {
            view: Some(object),
            ..plain("name", "Object", Kind::Custom, |event| Value::text(event.text("event.involvedObject.name")))
        },
        plain("type", "Type", Kind::State, |event| {
            let (mark, word) = kind(event);
            Value::State(mark, word.to_owned())
        }),
        // Early, so that a phone shows it.
        plain("last", "Last seen", Kind::Time, |event| Value::Time(event.text("event.lastTimestamp").to_owned())),
        plain("reason", "Reason", Kind::Text, |event| Value::Text(event.told("event.reason"))),
        Column {
            view: Some(|event| {
                let text = event.told("event.message");
                view! { <span class="clip" title=text.clone()>{text.clone()}</span> }.into_any()
            }),
            ..plain("message", "Message", Kind::Long, |event| Value::Text(event.told("event.message")))
        },
        plain("kind", "Kind", Kind::Text, |event| Value::Text(event.told("event.involvedObject.kind"))),
        plain("count", "Count", Kind::Number, |event| event.number("event.count").map_or(Value::None, Value::Number)),
        Column {
            hidden: true,
            ..plain("first", "First seen", Kind::Time, |event| {
                Value::Time(event.text("event.firstTimestamp").to_owned())
            })
        },
        Column {
            hidden: true,
            ..plain("source", "Source", Kind::Text, |event| Value::text(event.text("event.source.component")))
        },
    ]
}

/// `3 times`, nothing for once.
pub(crate) fn times(event: &Thing) -> String {
    match event.number("event.count") {
        Some(count) if count > 1.0 => fill("{} times", &[&count]),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_lead_to_their_pages() {
        let event =
            |kind: &str, name: &str| Thing::from(json!({"event": {"involvedObject": {"kind": kind, "name": name}}}));
        for (kind, name, page) in [
            ("Volume", "data", Some("volumes/data")),
            ("Node", "node-1", Some("nodes/node-1")),
            ("Replica", "my-r-data-r-0a1b2c3d", Some("volumes/my-r-data")),
            ("Engine", "data-e-0", Some("volumes/data")),
            ("Engine", "odd", None),
            ("ShareManager", "x", None),
        ] {
            assert_eq!(target(&event(kind, name)).as_deref(), page, "{kind} {name}");
        }
    }
}
