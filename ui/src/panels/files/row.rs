//! Files as rows: a folder is a link to what is in it, a file is a download. The page puts both addresses into its rows, since
//! a column knows its row alone.

use leptos::prelude::*;

use super::download;
use super::source::Place;
use crate::components::menu::Entry;
use crate::components::table::{Column, Kind, Value};
use crate::live::Thing;
use crate::panels::backups::{entry, time};
use crate::words::{fill, tr};

pub(crate) fn columns() -> Vec<Column> {
    vec![
        Column { key: "name", label: "Name", kind: Kind::Text, hidden: false, value: name_value, view: Some(name) },
        Column { key: "size", label: "Size", kind: Kind::Bytes, hidden: false, value: size, view: None },
        Column {
            key: "modified",
            label: "Changed",
            kind: Kind::Time,
            hidden: false,
            value: |row| time(row, "modified"),
            view: None,
        },
        Column {
            key: "kind",
            label: "Kind",
            kind: Kind::Text,
            hidden: true,
            value: |row| Value::text(words_of_kind(row.text("kind"))),
            view: None,
        },
        Column {
            key: "mode",
            label: "Permissions",
            kind: Kind::Text,
            hidden: false,
            value: |row| Value::text(row.text("mode")),
            view: None,
        },
        Column { key: "owner", label: "Owner", kind: Kind::Text, hidden: false, value: owner, view: None },
    ]
}

pub(super) fn is_folder(row: &Thing) -> bool {
    row.text("kind") == "directory"
}

fn can_be_read(row: &Thing) -> bool {
    matches!(row.text("kind"), "file" | "directory" | "symlink")
}

fn name_value(row: &Thing) -> Value {
    Value::text(row.text("name"))
}

fn name(row: &Thing) -> AnyView {
    let (text, target) = (row.text("name").to_owned(), row.text("target").to_owned());
    let problem = Some(row.text("problem")).filter(|problem| !problem.is_empty()).map(str::to_owned);
    let target = (!target.is_empty()).then(|| view! { <span class="xs">" → "{target}</span> });
    let problem = problem.map(|problem| view! { <span class="xs error">{problem}</span> });
    if is_folder(row) {
        let href = row.text("page").to_owned();
        return view! { <a class="file folder" href=href><strong>{text}"/"</strong></a> }.into_any();
    }
    if !can_be_read(row) {
        return view! { <span class="file dim">{text}</span>" "{target}{problem} }.into_any();
    }
    let href = row.text("content").to_owned();
    let title = fill("Download {}", &[&text]);
    view! { <a class="file" href=href download="" rel="external" title=title>{text}</a>{target} }.into_any()
}

fn size(row: &Thing) -> Value {
    if row.text("kind") == "file" { Value::Bytes(row.bytes("size").bytes()) } else { Value::None }
}

fn owner(row: &Thing) -> Value {
    let id = |path| row.number(path).unwrap_or_default();
    if row.text("kind").is_empty() { Value::None } else { Value::Text(format!("{}:{}", id("uid"), id("gid"))) }
}

fn words_of_kind(kind: &str) -> String {
    let words = match kind {
        "file" => tr("File"),
        "directory" => tr("Folder"),
        "symlink" => tr("Link"),
        "character device" | "block device" => tr("Device"),
        "fifo" => tr("Pipe"),
        "socket" => tr("Socket"),
        other => return other.to_owned(),
    };
    words.to_owned()
}

pub(crate) fn entries(row: &Thing) -> Vec<Entry> {
    let refusal = (!can_be_read(row)).then(|| tr("It has no content"));
    let words = if is_folder(row) { tr("Download as tar") } else { tr("Download") };
    let address = row.text("content").to_owned();
    vec![entry(words, refusal, move || download(&address))]
}

/// From the root to the folder that is shown.
pub(crate) fn crumbs(place: &Place) -> AnyView {
    let folders = place.folders();
    let last = folders.len();
    let link = |(index, (name, path)): (usize, (String, String))| {
        let href = place.at(&path).page();
        let current = (index + 1 == last).then_some("page");
        view! { <li><a href=href aria-current=current>{name}</a></li> }
    };
    let root = place.at("/").page();
    let links = folders.into_iter().enumerate().map(link).collect_view();
    view! {
        <nav class="crumbs" aria-label=tr("Folder")>
            <ol>
                <li><a href=root aria-current=(last == 0).then_some("page")>"/"</a></li>
                {links}
            </ol>
        </nav>
    }
    .into_any()
}
