//! Where people are told of what happens: webhooks, Slack, mailboxes.

use leptos::prelude::*;
use serde_json::{Value as Json, json};

use crate::api;
use crate::components::badge::Badge;
use crate::components::dialog::Tone;
use crate::components::form::{Field, Values};
use crate::components::icon::{Icon, Pictogram};
use crate::components::menu::Entry;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::dialogs::{FormQuestion, Sending, ask_form};
use crate::live::{List, Thing, follow};
use crate::model::order::put_in_order;
use crate::notices::Notices;
use crate::panels::ops::acts::{Plan, at_once, danger, entry};
use crate::role::may_write;
use crate::words::{Mark, fill, notification_kind, tr};

#[component]
pub(crate) fn Notifications() -> impl IntoView {
    let targets = follow("notificationtargets");
    let notices = Notices::expect();
    let menu = Callback::new(move |target: Thing| entries(&target, notices, targets));
    let create = move || {
        may_write().then(|| view! {
        <button type="button" class="primary" on:click=move |_| ask(None, targets)><Pictogram icon=Icon::Plus />{tr("Add target")}</button>
    })
    };
    view! {
        <div class="head">
            <p class="dim">{tr("A target is told of the events, causes and ends of jobs that you choose, in messages at least five seconds apart.")}</p>
            <div class="right">{create}</div>
        </div>
        <DataTable
            id="notifications"
            caption="Notification targets"
            rows=Signal::derive(move || targets.all())
            state=Signal::derive(move || targets.state())
            columns=columns()
            menu=menu
            retry=Callback::new(move |()| targets.refresh())
            empty=|| view! { <p class="calm dim">{tr("Nobody is told yet. Add a webhook, a Slack channel or a mailbox.")}</p> }
        />
    }
}

fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        plain("name", "Name", Kind::Text, |target| Value::text(target.text("name"))),
        Column {
            view: Some(|target| {
                let (mark, word) = state(target);
                let why = target.told("lastError");
                view! { <span title=why><Badge mark=Signal::stored(mark) text=word.to_owned() /></span> }.into_any()
            }),
            ..plain("state", "State", Kind::Custom, |target| Value::text(state(target).1))
        },
        plain("kind", "Kind", Kind::Text, |target| Value::text(notification_kind(target.text("kind")))),
        plain("where", "Where", Kind::Text, |target| Value::Text(place(target))),
        plain("waiting", "Waiting", Kind::Number, |target| target.number("waiting").map_or(Value::None, Value::Number)),
        plain("delivered", "Delivered", Kind::Number, |target| {
            target.number("delivered").map_or(Value::None, Value::Number)
        }),
        plain("dropped", "Dropped", Kind::Number, |target| target.number("dropped").map_or(Value::None, Value::Number)),
        plain("last", "Last delivered", Kind::Time, |target| Value::Time(target.text("lastDeliveredAt").to_owned())),
        plain("error", "Last error", Kind::Text, |target| Value::Text(target.told("lastError"))),
    ]
}

fn state(target: &Thing) -> (Mark, &'static str) {
    match (target.flag("enabled"), target.text("lastError").is_empty()) {
        (false, _) => (Mark::Idle, tr("Off")),
        (true, true) => (Mark::Healthy, tr("On")),
        (true, false) => (Mark::Faulted, tr("Failing")),
    }
}

fn place(target: &Thing) -> String {
    match target.text("kind") {
        "email" => target.texts("to").join(", "),
        _ => target.text("webhookHost").to_owned(),
    }
}

fn entries(target: &Thing, notices: Notices, targets: List) -> Vec<Entry> {
    if !may_write() {
        return Vec::new();
    }
    let (name, id) = (target.text("name").to_owned(), target.id().to_owned());
    let (edited, deleted) = (target.clone(), name.clone());
    let address = api::address_of("notificationtargets", &id);
    let gone = address.clone();
    vec![
        entry(tr("Send a test"), None, move || {
            let (address, done) = (format!("{address}?action=test"), fill("{} took the test.", &[&name]));
            at_once(notices, done, async move {
                let answer = api::post(&address, &json!({})).await;
                targets.refresh();
                answer
            });
        }),
        entry(tr("Edit…"), None, move || ask(Some(edited.clone()), targets)),
        danger(tr("Delete…"), None, move || {
            let plan = Plan {
                title: fill("Delete {}?", &[&deleted]),
                answer: "Delete",
                tone: Tone::Danger,
                consequences: None,
                lines: vec![tr("It is told nothing any more; what waits for it is dropped.").to_owned()],
                typed: None,
                done: fill("{} was deleted.", &[&deleted]),
            };
            let gone = gone.clone();
            plan.ask(move || {
                let gone = gone.clone();
                async move {
                    api::remove(&gone).await?;
                    targets.refresh();
                    Ok(())
                }
            });
        }),
    ]
}

fn is_mail(values: &Values) -> bool {
    values.text("kind") == "email"
}

fn is_web(values: &Values) -> bool {
    !is_mail(values)
}

fn is_webhook(values: &Values) -> bool {
    values.text("kind") == "webhook"
}

fn choices(words: &[(&str, &'static str)]) -> Vec<(String, String)> {
    words.iter().map(|(word, shown)| ((*word).to_owned(), (*shown).to_owned())).collect()
}

/// Which of a field's choices stands for a list of the API.
fn chosen(target: Option<&Thing>, path: &str, new: &str, known: &[Known]) -> String {
    let Some(target) = target else { return new.to_owned() };
    let mut texts = target.texts(path);
    texts.sort();
    let fits = |(_, list): &&Known| {
        let mut list: Vec<&str> = list.to_vec();
        put_in_order(&mut list, &Ord::cmp);
        texts == list
    };
    known.iter().find(fits).map_or_else(|| "as-it-is".to_owned(), |(word, _)| (*word).to_owned())
}

/// A choice of a field, and the list of the API that it stands for.
type Known = (&'static str, &'static [&'static str]);

const EVENTS: [Known; 3] = [("none", &[]), ("warnings", &["Warning"]), ("all", &["Normal", "Warning"])];
const CAUSES: [Known; 4] = [
    ("none", &[]),
    ("errors", &["error"]),
    ("warnings", &["error", "warning"]),
    ("all", &["error", "info", "warning"]),
];
const JOBS: [Known; 3] = [
    ("none", &[]),
    ("failed", &["failed", "interrupted"]),
    ("all", &["cancelled", "failed", "interrupted", "succeeded"]),
];

fn fields(target: Option<&Thing>) -> Vec<Field> {
    let text = |path: &str| target.map(|target| target.text(path).to_owned()).unwrap_or_default();
    let fixed = |field: Field| if target.is_some() { field.fixed() } else { field };
    let select = |key, label, path, new, known: &[Known], words: &[(&str, &'static str)]| {
        let value = chosen(target, path, new, known);
        let mut shown = choices(words);
        if value == "as-it-is" {
            shown.push((value.clone(), tr("As it is").to_owned()));
        }
        Field::select(key, label, shown).value(value)
    };
    let secret = |key, label, path: &str| {
        let set = target.is_some_and(|target| target.flag(path));
        Field::secret(key, label).hint(if set { "Kept; leave it empty to leave it" } else { "" })
    };
    let kinds = choices(&[("webhook", tr("Webhook")), ("slack", tr("Slack")), ("email", tr("Mail"))]);
    let security = choices(&[("starttls", "STARTTLS"), ("tls", "TLS"), ("none", tr("None"))]);
    let kind = if target.is_some() { text("kind") } else { "webhook".to_owned() };
    let smtp = if text("smtpSecurity").is_empty() { "starttls".to_owned() } else { text("smtpSecurity") };
    vec![
        fixed(Field::text("name", "Name").value(text("name")).required()),
        fixed(Field::select("kind", "Kind", kinds).value(kind)),
        Field::toggle("enabled", "Enabled").value(target.is_none_or(|target| target.flag("enabled"))),
        secret("webhookURL", "Address", "webhookURLSet").when(is_web),
        secret("authorization", "Authorization header", "authorizationSet").when(is_webhook).advanced(),
        Field::text("smtpServer", "Mail server")
            .hint("Host and port: mail.example.org:587")
            .value(text("smtpServer"))
            .when(is_mail),
        Field::select("smtpSecurity", "Encryption", security).value(smtp).when(is_mail),
        Field::text("smtpUser", "User at the mail server").value(text("smtpUser")).when(is_mail),
        secret("smtpPassword", "Password at the mail server", "smtpPasswordSet").when(is_mail),
        Field::text("from", "Sender").value(text("from")).when(is_mail),
        Field::tags("to", "Receivers")
            .value(json!(target.map(|target| target.texts("to")).unwrap_or_default()))
            .when(is_mail),
        Field::heading("What is told"),
        select(
            "events",
            "Events",
            "eventTypes",
            "warnings",
            &EVENTS,
            &[("none", tr("None")), ("warnings", tr("Warnings")), ("all", tr("All"))],
        ),
        select(
            "causes",
            "Causes of volumes",
            "causeSeverities",
            "errors",
            &CAUSES,
            &[
                ("none", tr("None")),
                ("errors", tr("Problems")),
                ("warnings", tr("Warnings and problems")),
                ("all", tr("All")),
            ],
        ),
        select(
            "jobs",
            "Ends of jobs",
            "jobOutcomes",
            "failed",
            &JOBS,
            &[("none", tr("None")), ("failed", tr("Failed and interrupted")), ("all", tr("All"))],
        ),
    ]
}

/// What is sent: lists for the three choices; secrets that were left empty are left out, so that they stay.
fn body(values: &Values) -> Json {
    let mut json = values.json();
    let Some(fields) = json.as_object_mut() else { return json };
    for secret in ["webhookURL", "authorization", "smtpPassword"] {
        if fields.get(secret).is_some_and(|value| value.as_str().is_none_or(str::is_empty)) {
            fields.remove(secret);
        }
    }
    let lists: [(&str, &str, &[Known]); 3] =
        [("events", "eventTypes", &EVENTS), ("causes", "causeSeverities", &CAUSES), ("jobs", "jobOutcomes", &JOBS)];
    for (field, name, known) in lists {
        let word = fields.remove(field);
        let word = word.as_ref().and_then(Json::as_str).unwrap_or_default();
        if let Some((_, list)) = known.iter().find(|(other, _)| *other == word) {
            fields.insert(name.to_owned(), json!(list));
        }
    }
    json
}

fn ask(target: Option<Thing>, targets: List) {
    let id = target.as_ref().map(|target| target.id().to_owned());
    let submit = Callback::new(move |values: Values| -> Sending {
        let (id, body, name) = (id.clone(), body(&values), values.text("name"));
        Box::pin(async move {
            let answer = match &id {
                Some(id) => api::put(&api::address_of("notificationtargets", id), &body).await,
                None => api::post("v1/notificationtargets", &body).await,
            };
            targets.refresh();
            answer.map(|_| fill("{} was saved.", &[&name]))
        })
    });
    ask_form(FormQuestion {
        title: target.as_ref().map_or_else(
            || tr("Add a notification target").to_owned(),
            |target| fill("Edit {}", &[&target.text("name")]),
        ),
        answer: "Save",
        tone: Tone::Plain,
        intro: None,
        fields: fields(target.as_ref()),
        preview: None,
        submit,
    });
}
