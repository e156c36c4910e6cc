//! Who changed what. For administrators.

use leptos::prelude::*;

use super::titled;
use crate::clock;
use crate::components::badge::Badge;
use crate::components::facts::{FactList, fact};
use crate::components::page::PageHead;
use crate::components::table::{Column, DataTable, Kind, Value};
use crate::dialogs::Questions;
use crate::live::Thing;
use crate::model::time;
use crate::panels::asked::{AskChoice, AskText, address};
use crate::panels::ops::acts::entry;
use crate::panels::ops::sheet::Sheet;
use crate::panels::paged::Paged;
use crate::role;
use crate::words::{AUDIT_RESULTS, audit_result, tr};

const ASKED: &[(&str, &str)] =
    &[("user", "user"), ("result", "result"), ("type", "objectType"), ("object", "object"), ("action", "action")];

#[component]
pub(crate) fn AuditPage() -> impl IntoView {
    titled(|| tr("Audit log").to_owned());
    let known = Memo::new(|_| role::session().map(|_| role::is_admin()));
    view! {
        <PageHead title=tr("Audit log") />
        {move || match known.get() {
            Some(true) => view! { <Entries /> }.into_any(),
            Some(false) => view! {
                <section class="card empty">
                    <h2 class="title">{tr("Only administrators see who changed what")}</h2>
                    <p class="dim">{tr("Ask an administrator, or log in as one.")}</p>
                </section>
            }.into_any(),
            None => ().into_any(),
        }}
    }
}

#[component]
fn Entries() -> impl IntoView {
    let questions = Questions::expect();
    let entries = Paged::of(address("v1/audits", ASKED));
    let results: Vec<(String, String)> =
        AUDIT_RESULTS.iter().map(|word| ((*word).to_owned(), audit_result(word).1.to_owned())).collect();
    let menu = Callback::new(move |audit: Thing| {
        vec![entry(tr("Details…"), None, move || {
            let audit = audit.clone();
            questions.open(Callback::new(move |()| view! { <Details audit=audit.clone() questions /> }.into_any()));
        })]
    });
    view! {
        <div class="asks">
            <AskChoice key="result" label=tr("Result") choices=results />
            <AskText key="user" label=tr("User") />
            <AskText key="type" label=tr("Type of object") />
            <AskText key="object" label=tr("Object") />
            <AskText key="action" label=tr("Action") />
            <button type="button" class="right" on:click=move |_| entries.refresh()>{tr("Refresh")}</button>
        </div>
        <DataTable
            id="audit"
            caption="Audit log"
            rows=entries.rows
            state=entries.state
            columns=columns()
            menu=menu
            retry=Callback::new(move |()| entries.refresh())
            empty=|| view! { <p class="calm dim">{tr("No such entry.")}</p> }
        />
        {entries.button()}
    }
}

/// What was done, in a few words: the action, else what the method means.
fn action(audit: &Thing) -> String {
    match (audit.text("action"), audit.text("method")) {
        ("login", _) => tr("Log in").to_owned(),
        ("logout", _) => tr("Log out").to_owned(),
        ("users", _) => tr("Users").to_owned(),
        ("backupTargetTest", _) => tr("Test").to_owned(),
        ("", "POST") => tr("Create").to_owned(),
        ("", "PUT") => tr("Change").to_owned(),
        ("", "DELETE") => tr("Delete").to_owned(),
        ("", "GET") => tr("Download").to_owned(),
        ("", method) => method.to_owned(),
        (action, _) => action.to_owned(),
    }
}

#[component]
fn Details(audit: Thing, questions: Questions) -> impl IntoView {
    let (mark, word) = audit_result(audit.text("result"));
    let text = |path: &str| {
        let text = audit.text(path).to_owned();
        fact(move || text.clone())
    };
    let at = |path: &str| {
        let text = time::parse(audit.text(path)).map(clock::wall_time).unwrap_or_default();
        fact(move || text.clone())
    };
    let status =
        audit.number("status").filter(|status| *status > 0.0).map(|status| status.to_string()).unwrap_or_default();
    let input = audit.text("input").to_owned();
    let input =
        (!input.is_empty()).then(|| view! { <h3>{tr("Body of the request")}</h3><pre class="log">{input}</pre> });
    let facts = vec![
        ("Result", view! { <Badge mark=Signal::stored(mark) text=word.to_owned() /> }.into_any()),
        ("Message", text("message")),
        ("User", text("user")),
        ("Role", text("role")),
        ("Address", text("address")),
        ("Method", text("method")),
        ("Path", text("path")),
        ("Status", fact(move || status.clone())),
        ("Begun", at("begunAt")),
        ("Ended", at("endedAt")),
        ("Request", text("requestId")),
    ];
    let title = format!("{} {}", action(&audit), audit.text("object"));
    view! {
        <Sheet title on_close=Callback::new(move |()| questions.close())>
            <FactList facts />
            {input}
        </Sheet>
    }
}

fn columns() -> Vec<Column> {
    let plain = |key, label, kind, value| Column { key, label, kind, hidden: false, value, view: None };
    vec![
        plain("action", "Action", Kind::Text, |audit| Value::Text(action(audit))),
        plain("at", "When", Kind::Time, |audit| Value::Time(audit.text("begunAt").to_owned())),
        plain("user", "User", Kind::Text, |audit| Value::text(audit.text("user"))),
        plain("type", "Type", Kind::Text, |audit| Value::text(audit.text("objectType"))),
        plain("object", "Object", Kind::Text, |audit| Value::text(audit.text("object"))),
        plain("result", "Result", Kind::State, |audit| {
            let (mark, word) = audit_result(audit.text("result"));
            Value::State(mark, word.to_owned())
        }),
        Column {
            view: Some(|audit| {
                let text = audit.told("message");
                view! { <span class="clip" title=text.clone()>{text.clone()}</span> }.into_any()
            }),
            ..plain("message", "Message", Kind::Long, |audit| Value::Text(audit.told("message")))
        },
        Column { hidden: true, ..plain("address", "Address", Kind::Text, |audit| Value::text(audit.text("address"))) },
        Column { hidden: true, ..plain("path", "Path", Kind::Text, |audit| Value::text(audit.text("path"))) },
        Column { hidden: true, ..plain("role", "Role", Kind::Text, |audit| Value::text(audit.text("role"))) },
    ]
}
