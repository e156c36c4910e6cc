//! "Edit node and disks": the node and each of its disks in one form. What is wrong shows while it is typed, what an eviction
//! would do shows before it is asked for, and the requests go in the order that Longhorn has them.

use std::sync::Arc;

use aurochs_api::node::Node;
use aurochs_api::size::ByteSize;
use leptos::prelude::*;

use super::acts::send_disks;
use crate::api;
use crate::components::call::Call;
use crate::components::consequences::Consequences;
use crate::components::dialog::Dialog;
use crate::components::icon::{Icon, Pictogram};
use crate::dialogs::Questions;
use crate::live::Live;
use crate::model::node_edit::{DiskDraft, NodeDraft, Step, plan};
use crate::notices::Notices;
use crate::panels::ops::acts::encoded;
use crate::words::{fill, tr};

/// Opens the form. `disk`: the one to begin with; an empty name adds a new one.
pub(crate) fn ask(node: &Arc<Node>, disk: Option<String>) {
    let node = node.clone();
    Questions::expect()
        .open(Callback::new(move |()| view! { <EditNode node=node.clone() disk=disk.clone() /> }.into_any()));
}

/// One disk of the form; the key stays while the name is typed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Row {
    key: usize,
    draft: RwSignal<DiskDraft>,
}

#[component]
fn EditNode(node: Arc<Node>, disk: Option<String>) -> impl IntoView {
    let (questions, notices, live) = (Questions::expect(), Notices::expect(), Live::expect());
    let call = Call::new();
    let name = node.name.clone();
    let draft = RwSignal::new(NodeDraft::of(&node));
    let opened: Vec<DiskDraft> = node.disks.iter().map(|(name, disk)| DiskDraft::of(name, disk)).collect();
    let fresh = (disk.as_deref() == Some("")).then(DiskDraft::new_one);
    let first: Vec<Row> = opened
        .iter()
        .cloned()
        .chain(fresh)
        .enumerate()
        .map(|(key, disk)| Row { key, draft: RwSignal::new(disk) })
        .collect();
    let next = StoredValue::new(first.len());
    let rows = RwSignal::new(first);
    let drafts = move || rows.get().into_iter().map(|row| row.draft.get()).collect::<Vec<_>>();
    // As it is now, also when somebody else changes it meanwhile.
    let known = StoredValue::new(node.clone());
    let now = Memo::new(move |_| {
        live.nodes.get(&known.with_value(|node| node.name.clone())).unwrap_or_else(|| known.get_value())
    });
    let opened = StoredValue::new(opened);
    let ready = Memo::new(move |_| {
        let (node, disks) = (now.get(), drafts());
        let fine =
            draft.with(|draft| draft.cpu().is_ok()) && disks.iter().all(|disk| disk.problem(&node, &disks).is_none());
        let steps = opened.with_value(|opened| draft.with(|draft| plan(&node, draft, &disks, opened)));
        fine && steps.is_ok_and(|steps| !steps.is_empty())
    });
    let add = move |_| {
        let key = next.get_value();
        next.set_value(key + 1);
        rows.update(|rows| rows.push(Row { key, draft: RwSignal::new(DiskDraft::new_one()) }));
    };
    let answer = Callback::new(move |()| {
        let (node, disks) = (now.get_untracked(), untrack(drafts));
        let Ok(steps) = opened.with_value(|opened| draft.with_untracked(|draft| plan(&node, draft, &disks, opened)))
        else {
            return;
        };
        let name = node.name.clone();
        let done = fill("{} was changed.", &[&name]);
        call.run(save(name, steps), move |()| {
            notices.done(done);
            questions.close();
        });
    });
    let begin = disk.filter(|disk| !disk.is_empty());
    let shown = StoredValue::new(name.clone());
    let row = move |row: Row| {
        let open = begin.as_ref().is_none_or(|name| row.draft.with_untracked(|disk| disk.name == *name));
        view! { <DiskFields row now drafts=Signal::derive(drafts) open /> }
    };
    view! {
        <Dialog
            title=fill("Edit {}", &[&name])
            answer=tr("Save").to_owned()
            ready=Signal::from(ready)
            call
            on_answer=answer
            on_close=Callback::new(move |()| questions.close())
        >
            <NodeFields name=shown.get_value() draft before=node.eviction_requested />
            <For each=move || rows.get() key=|row| row.key children=row />
            <div><button type="button" on:click=add data-testid="add-disk"><Pictogram icon=Icon::Plus />{tr("Add disk")}</button></div>
        </Dialog>
    }
}

async fn save(name: String, steps: Vec<Step>) -> Result<(), api::ApiError> {
    for step in steps {
        match step {
            Step::Node(update) => {
                let mut body = serde_json::to_value(&update).unwrap_or_default();
                // What is absent stays as it is; a null would say something.
                if let Some(fields) = body.as_object_mut() {
                    fields.retain(|_, value| !value.is_null());
                }
                api::put(&api::address_of("nodes", &name), &body).await?;
            }
            Step::Disks(input) => send_disks(&name, &input).await?,
        }
    }
    Ok(())
}

/// A switch with its words.
#[component]
fn Switch(
    /// Already translated.
    label: &'static str,
    #[prop(into)] value: Signal<bool>,
    set: Callback<bool>,
    #[prop(optional)] hint: &'static str,
) -> impl IntoView {
    view! {
        <label class="check">
            <input type="checkbox" prop:checked=move || value.get() on:change=move |event| set.run(event_target_checked(&event)) />
            <span>{label}<span class="hint">{hint}</span></span>
        </label>
    }
}

/// A text with its words and what is wrong with it.
#[component]
fn Text(
    /// Already translated.
    label: &'static str,
    #[prop(into)] value: Signal<String>,
    set: Callback<String>,
    #[prop(into)] problem: Signal<Option<String>>,
    #[prop(optional)] hint: &'static str,
    #[prop(optional)] placeholder: &'static str,
) -> impl IntoView {
    view! {
        <label class="field">
            <span>{label}</span>
            <input
                autocomplete="off"
                spellcheck="false"
                placeholder=placeholder
                prop:value=move || value.get()
                aria-invalid=move || problem.get().is_some().to_string()
                on:input=move |event| set.run(event_target_value(&event))
            />
            <span class="hint" class:error=move || problem.get().is_some() aria-live="polite">
                {move || problem.get().unwrap_or_else(|| hint.to_owned())}
            </span>
        </label>
    }
}

#[component]
fn NodeFields(name: String, draft: RwSignal<NodeDraft>, before: bool) -> impl IntoView {
    let evict = move |on: bool| {
        draft.update(|draft| {
            draft.eviction_requested = on;
            // What is emptied takes nothing new.
            draft.allow_scheduling &= !on;
        });
    };
    let allow = move |on: bool| {
        draft.update(|draft| {
            draft.allow_scheduling = on;
            draft.eviction_requested &= !on;
        });
    };
    let preview = Signal::derive(move || {
        let asked = draft.with(|draft| draft.eviction_requested) && !before;
        if asked { format!("v1/whatif?change=evictNode&node={}", encoded(&name)) } else { String::new() }
    });
    let cpu = move || draft.with(|draft| draft.cpu().err());
    view! {
        <fieldset class="group">
            <legend>{tr("Node")}</legend>
            <div class="field-row">
                <Switch label=tr("Scheduling") hint=tr("New replicas may be placed here") value=Signal::derive(move || draft.with(|draft| draft.allow_scheduling)) set=Callback::new(allow) />
                <Switch label=tr("Eviction requested") hint=tr("Its replicas move away") value=Signal::derive(move || draft.with(|draft| draft.eviction_requested)) set=Callback::new(evict) />
            </div>
            <Consequences address=preview />
            <div class="field-row">
                <Text label=tr("Tags") hint=tr("With commas between them; volumes select nodes by them") value=Signal::derive(move || draft.with(|draft| draft.tags.clone())) set=Callback::new(move |text| draft.update(|draft| draft.tags = text)) problem=Signal::stored(None::<String>) />
                <Text label=tr("Instance manager's CPU request") hint=tr("Thousandths of a processor; 0 takes the setting") value=Signal::derive(move || draft.with(|draft| draft.cpu.clone())) set=Callback::new(move |text| draft.update(|draft| draft.cpu = text)) problem=Signal::derive(cpu) />
            </div>
        </fieldset>
    }
}

#[component]
fn DiskFields(row: Row, now: Memo<Arc<Node>>, drafts: Signal<Vec<DiskDraft>>, open: bool) -> impl IntoView {
    let disk = row.draft;
    let set = move |change: fn(&mut DiskDraft, String)| {
        Callback::new(move |text: String| disk.update(|disk| change(disk, text)))
    };
    let get = move |part: fn(&DiskDraft) -> String| Signal::derive(move || disk.with(part));
    let is_new = disk.with_untracked(|disk| disk.is_new);
    let problem = Signal::derive(move || disk.with(|disk| disk.problem(&now.get(), &drafts.get())));
    // Untouched, a new one is no mistake yet.
    let place_problem = Signal::derive(move || {
        disk.with(|disk| (!disk.name.is_empty() || !disk.path.is_empty()) && disk.is_new)
            .then(|| problem.get())
            .flatten()
    });
    let reserved_problem = Signal::derive(move || if is_new { None } else { problem.get() });
    let evict = move |on: bool| {
        disk.update(|disk| {
            disk.eviction_requested = on;
            disk.allow_scheduling &= !on;
        });
    };
    let allow = move |on: bool| {
        disk.update(|disk| {
            disk.allow_scheduling = on;
            disk.eviction_requested &= !on;
        });
    };
    let before = Memo::new(move |_| {
        now.with(|node| disk.with(|disk| node.disks.get(&disk.name).cloned().filter(|_| !disk.is_new)))
    });
    let preview = Signal::derive(move || {
        let asked = disk.with(|disk| disk.eviction_requested);
        let (node, name) = (now.with(|node| encoded(&node.name)), disk.with(|disk| encoded(&disk.name)));
        let changed = before.with(|before| before.as_ref().is_some_and(|before| !before.eviction_requested));
        if asked && changed { format!("v1/whatif?change=evictDisk&node={node}&disk={name}") } else { String::new() }
    });
    let summary = move || {
        before.get().map(|disk| {
            fill(
                "{} available, {} promised, of {}",
                &[&disk.storage_available, &disk.storage_scheduled, &disk.storage_maximum],
            )
        })
    };
    let title = move || disk.with(|disk| if disk.is_new { tr("New disk").to_owned() } else { disk.name.clone() });
    view! {
        <details class="group" open=open || is_new class:gone=move || disk.with(|disk| disk.is_removed) data-testid=move || format!("edit-{}", disk.with(|disk| disk.name.clone()))>
            <summary><strong>{title}</strong>" "<span class="xs">{summary}</span></summary>
            {is_new.then(|| view! {
                <div class="field-row">
                    <Text label=tr("Name") value=get(|disk| disk.name.clone()) set=set(|disk, text| disk.name = text) problem=Signal::stored(None::<String>) placeholder="ssd" />
                    <Text label=tr("Path") hint=tr("A directory that is there, on a file system of its own") placeholder="/mnt/ssd" value=get(|disk| disk.path.clone()) set=set(|disk, text| disk.path = text) problem=place_problem />
                </div>
            })}
            {(!is_new).then(|| view! { <p class="xs mono path">{disk.with_untracked(|disk| disk.path.clone())}</p> })}
            <div class="field-row">
                <Switch label=tr("Scheduling") value=Signal::derive(move || disk.with(|disk| disk.allow_scheduling)) set=Callback::new(allow) />
                <Switch label=tr("Eviction requested") value=Signal::derive(move || disk.with(|disk| disk.eviction_requested)) set=Callback::new(evict) />
            </div>
            <Consequences address=preview />
            <div class="field-row">
                <Text label=tr("Reserved (GiB)") hint=tr("Kept for others on the same file system") value=get(|disk| disk.reserved.clone()) set=set(|disk, text| disk.reserved = text) problem=reserved_problem />
                <Text label=tr("Tags") hint=tr("With commas between them") value=get(|disk| disk.tags.clone()) set=set(|disk, text| disk.tags = text) problem=Signal::stored(None::<String>) />
            </div>
            <Removal disk before=Signal::derive(move || before.get().map(|disk| (disk.storage_scheduled, disk.allow_scheduling))) />
        </details>
    }
}

/// Takes a disk out of the form; not while something is promised on it.
#[component]
fn Removal(disk: RwSignal<DiskDraft>, before: Signal<Option<(ByteSize, bool)>>) -> impl IntoView {
    let refusal = move || match before.get() {
        Some((promised, _)) if promised > ByteSize::ZERO => {
            Some(fill("{} are promised on it: evict it first", &[&promised]))
        }
        Some(_) if disk.with(|disk| disk.allow_scheduling && !disk.is_removed) => {
            Some(tr("Switch its scheduling off first").to_owned())
        }
        _ => None,
    };
    let label = move || if disk.with(|disk| disk.is_removed) { tr("Keep it") } else { tr("Remove disk") };
    let toggle = move |_| disk.update(|disk| disk.is_removed = !disk.is_removed);
    view! {
        <p>
            <button type="button" disabled=move || refusal().is_some() on:click=toggle>{label}</button>
            " "<span class="xs">{move || match refusal() {
                Some(why) => why,
                None if disk.with(|disk| disk.is_removed) => tr("It goes when you save").to_owned(),
                None => String::new(),
            }}</span>
        </p>
    }
}
